using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// What is done about a peer that is not there, by the policy <c>fencing</c> (G13). A Primary that loses a peer which might go on by itself calls <c>fence-peer</c>; with
/// <see cref="FencingPolicy.ResourceAndStonith"/> nothing that relies on the peer's absence is answered before that succeeded, or the peer is back and mirrored, or has said that it cannot
/// go on, or a person said <c>resume-io</c>. A Secondary that is to be promoted without its peer asks the same handler (G6).
/// </summary>
/// <remarks>
/// <code>
/// lost ─► freeze ─► fence-peer ─► 3 4 7 (5) ─► evidence ─► generation durable ─► answers
///           │           └─► 6, anything else ─► stays frozen ─► resume-io
///           └─► connected again ─► mirrored, or the peer durably Inconsistent ─► answers
/// </code>
/// Evidence is given up, durably, before a handshake agrees with the peer on anything: from then on the peer may be UpToDate without this node knowing it.
/// </remarks>
internal sealed class Fencing
{
    private const FreezeReason Frozen = FreezeReason.Fencing;

    private readonly ResourceContext _context;
    private readonly WritePath _writes;
    private readonly Handlers _handlers;
    private readonly FenceEvidence _evidence;
    private readonly PeerFence[] _fences;

    public Fencing(ResourceContext context, WritePath writes, Handlers handlers)
    {
        _context = context;
        _writes = writes;
        _handlers = handlers;
        _evidence = new FenceEvidence(context);
        _fences = new PeerFence[context.Peers.Length];
        for (int i = 0; i < _fences.Length; i++)
            _fences[i] = new PeerFence();
    }

    /// <summary>A node does not trust itself without its peer.</summary>
    public bool IsAsked => _context.Settings.Fencing != FencingPolicy.DontCare;

    private bool IsStonith => _context.Settings.Fencing == FencingPolicy.ResourceAndStonith;

    private string Name => _context.Settings.Name;

    /// <summary>What a peer's fencing waits for or why it failed, in words; empty if nothing is wrong.</summary>
    public string Describe(Peer peer)
    {
        PeerFence fence = Of(peer);
        if (fence.Call is { } call)
            return $"fence-peer has been running for {peer.Name} for {(_context.NowMs - call.CalledMs) / 1000} s";
        if (!fence.IsNeeded)
            return "";
        if (peer.IsConnected)
            return $"{peer.Name} is back, but not in the mirror yet";
        return fence.Failure.Length > 0
            ? $"{peer.Name} is not fenced: {fence.Failure}; once it cannot go on: blockrepl resume-io {Name}"
            : $"{peer.Name} is expected back at once";
    }

    /// <summary>The peer is known not to go on by itself.</summary>
    public bool HasEvidence(Peer peer) => _evidence.IsOutdated(peer);

    /// <summary>Before a promotion this peer must be fenced: it is not there to be asked, and nothing is known of it.</summary>
    public bool IsNeededToPromote(Peer peer) => IsAsked && peer.Step != HandshakeStep.Done && (!_evidence.IsOutdated(peer) || HasLostAnswersTo(peer));

    /// <summary>A link is about to be taken apart; nothing that hung on it has been let go yet, nothing is unmarked.</summary>
    public void Disconnecting(Peer peer)
    {
        PeerFence fence = Of(peer);
        fence.IsUnfencing = false;
        if (peer.Step < HandshakeStep.Verdict)
        {
            TakeEvidenceBack(peer, fence);
            return;
        }

        fence.Reset();
        if (!IsAsked)
            return;
        if (peer.Step == HandshakeStep.Done)
            KeepItsWords(peer);
        if (_context.Role != Role.Primary || _evidence.IsOutdated(peer) || !_context.Volumes.Exists(HasCurrentDisk))
            return;
        fence.IsNeeded = true;
        fence.SinceMs = _context.NowMs;
        if (IsStonith && !Canary.NotFrozenForFence)
            _writes.Freeze(Frozen);
        if (peer.IsExpectedBack)
            fence.CallAtMs = _context.NowMs + _context.Settings.TimeoutMs;
        else
            Call(peer, fence);
    }

    /// <summary>
    /// A handshake is about to agree with the peer: from this node's verdict on the peer may become UpToDate at any moment. Returns false if <paramref name="goOn"/> is called later, when
    /// this node has durably given up what it knew of the absent peer.
    /// </summary>
    public bool BeforeVerdict(Peer peer, Action goOn)
    {
        // Also without a fencing policy: there may be evidence from a time when there was one, and there may be one again.
        PeerFence fence = Of(peer);
        fence.Reset();
        if (IsAsked && _context.Role == Role.Primary)
        {
            fence.IsNeeded = true;
            fence.SinceMs = _context.NowMs;
            if (IsStonith)
                _writes.Freeze(Frozen);
        }

        int pending = 0;
        LinkId link = peer.Link;
        foreach (Volume volume in _context.Volumes)
        {
            bool isWritten = !Canary.EvidenceOutlivesHandshake && _evidence.Set(volume.Peers[peer.Id.Value], PeerSlotFlags.PeerOutdated, false, () =>
            {
                if (--pending > 0 || peer.Link != link || peer.Step != HandshakeStep.State)
                    return;
                fence.IsEvidenceSuspended = false;
                goOn();
            });
            if (isWritten)
                pending++;
        }

        fence.IsEvidenceSuspended = pending > 0;
        return pending == 0;
    }

    /// <summary>Calls <c>fence-peer</c> for a promotion, or joins the call that runs; <paramref name="answered"/> gets null if the peer is fenced, else why it is not.</summary>
    public void Ask(Peer peer, Action<CommandResult?> answered)
    {
        PeerFence fence = Of(peer);
        fence.OnAnswered = answered;
        if (fence.Call is null)
            Call(peer, fence);
    }

    /// <summary>A person lets I/O go on and answers for it that no peer does. Nothing is taken for known about the peer.</summary>
    public void Waive()
    {
        foreach (Peer peer in _context.Peers)
        {
            Of(peer).IsNeeded = false;
            Of(peer).CallAtMs = 0;
        }

        foreach (Volume volume in _context.Volumes)
        {
            // What the handler said of this node is overruled, too.
            if (_context.Role == Role.Primary && volume.HasDisk && (volume.Superblock!.Flags & SuperblockFlags.Outdated) != 0)
                SetDisk(volume, DiskState.UpToDate);
        }
    }

    /// <summary>This node is Primary no more: it has nobody to hold back, and nobody's absence to rely on.</summary>
    public void Demoted()
    {
        foreach (PeerFence fence in _fences)
            (fence.IsNeeded, fence.CallAtMs) = (false, 0);
    }

    /// <summary>What this node's own disk is worth after a demotion, as far as it can know without the peer.</summary>
    public DiskState AfterDemotion(Volume volume)
    {
        if ((volume.Superblock!.Flags & SuperblockFlags.Outdated) != 0)
            return DiskState.Outdated;
        bool isSure = !IsAsked || Array.TrueForAll(volume.Peers, static peer => peer.Peer.IsConnected || FenceEvidence.IsOutdated(peer));
        return isSure || volume.Disk < DiskState.Consistent ? volume.Disk : DiskState.Consistent;
    }

    /// <summary>After every event: calls what is due, and lets go what need not be held any more.</summary>
    public void Settle()
    {
        foreach (Peer peer in _context.Peers)
        {
            PeerFence fence = Of(peer);
            if (fence.IsNeeded && peer.Step == HandshakeStep.Done && IsHarmless(peer))
                fence.IsNeeded = false;
            fence.IsNeeded &= IsAsked;
            if (fence.CallAtMs > 0 && _context.NowMs >= fence.CallAtMs && peer.Step < HandshakeStep.Draining)
            {
                fence.CallAtMs = 0;
                Call(peer, fence);
            }

            if (_context.StateChanged)
                UnfenceIfBack(peer, fence);
        }

        if (_writes.Frozen.Has(Frozen) && (!IsStonith || Array.TrueForAll(_fences, static fence => !fence.IsNeeded)))
        {
            _context.Log($"{Name}: I/O goes on");
            _writes.Frozen.Remove(Frozen);
            _writes.Fenced.Release();
            _writes.Thaw(Frozen);
        }
    }

    // Without one nothing can be answered that the peer does not have.
    private static bool HasCurrentDisk(Volume volume) => volume.HasDisk && !volume.IsReturning;

    private PeerFence Of(Peer peer) => _fences[peer.Id.Value];

    // Connected, and for every volume mirrored again, or without data that it could go on with.
    private bool IsHarmless(Peer peer) => _context.Volumes.TrueForAll(volume =>
    {
        PeerVolume at = volume.Peers[peer.Id.Value];
        return at.IsReplicating || !at.IsMatched || !HasCurrentDisk(volume) || FenceEvidence.SaysItCannotGoOn(at);
    });

    // The peer said Outdated, Inconsistent or Diskless while it was connected: that is as good as a fence, and is kept.
    private void KeepItsWords(Peer peer)
    {
        foreach (Volume volume in _context.Volumes)
        {
            PeerVolume at = volume.Peers[peer.Id.Value];
            if (FenceEvidence.SaysItCannotGoOn(at))
                _evidence.Set(at, PeerSlotFlags.PeerOutdated, true, null);
        }
    }

    // The handshake ended before this node had agreed to anything: what was known of the peer is still so.
    private void TakeEvidenceBack(Peer peer, PeerFence fence)
    {
        if (!fence.IsEvidenceSuspended)
            return;
        fence.Reset();
        _evidence.Set(peer, PeerSlotFlags.PeerOutdated, true);
    }

    private void Call(Peer peer, PeerFence fence)
    {
        if (_context.Volumes.Exists(static volume => volume.Disk < DiskState.Consistent || volume.IsReturning))
        {
            Answer(peer, fence, "fence-peer was not called, because this node has no complete data itself");
            return;
        }

        if (!_context.Settings.Handlers.Contains(HandlerKind.FencePeer))
        {
            Answer(peer, fence, "no fence-peer handler is configured");
            return;
        }

        // Kept first, so that a fence which this node did not live to hear of is taken away when the peer is back.
        _evidence.Set(peer, PeerSlotFlags.PeerFencing, true);
        fence.Failure = "";
        fence.Call = _handlers.Call(HandlerKind.FencePeer, peer, onDone: outcome => Completed(peer, fence, outcome));
    }

    private void Completed(Peer peer, PeerFence fence, HandlerOutcome outcome)
    {
        if (fence.Call?.Id != outcome.Call.Id && !Canary.StaleFenceAnswerCounts)
        {
            _context.Log($"{Name}@{peer.Name}: that was the answer to an earlier loss of the connection; it is ignored");
            return;
        }

        fence.Call = null;
        Answer(peer, fence, Judge(peer, outcome));
    }

    // A live peer has what was answered here and is gone. One that was shot has lost its own page cache with it, and what was flushed is on both.
    private bool HasLostAnswersTo(Peer peer) => _context.Volumes.Exists(volume =>
        volume.Disk == DiskState.Consistent && volume.Superblock is { } superblock && LostAnswers.AreAtPeer(superblock, superblock.Flags, volume.Peers[peer.Id.Value].Slot, _context.Settings.Protocol));

    // Empty if the peer is fenced (DRBD: enum drbd_fencing_results and conn_try_outdate_peer).
    private string Judge(Peer peer, HandlerOutcome outcome)
    {
        switch (outcome.ExitCode)
        {
            case 4 when HasLostAnswersTo(peer):
                return $"{peer.Name} is Outdated (exit code 4), but it has what this node's host lost with its power";

            // It says so of its worst volume, and not which that is.
            case 3 when HasLostAnswersTo(peer) && _context.Volumes.Length > 1:
                return $"{peer.Name} is Inconsistent on some volume (exit code 3), but may have what this node's host lost of another with its power";
            case 3 or 4 or 7:
                return "";
            case 5 when Canary.UnreachableCountsAsFenced || _context.Volumes.TrueForAll(static volume => volume.Disk == DiskState.UpToDate):
                return "";
            case 5:
                return "fence-peer cannot reach it (exit code 5), which says something only to a node that is UpToDate itself";
            case 6:
                OutdateSelf(peer);
                return "fence-peer says that it is Primary (exit code 6)";
            default:
                return $"fence-peer is broken: {outcome.Text}";
        }
    }

    private void Answer(Peer peer, PeerFence fence, string failure)
    {
        fence.Failure = failure;
        _context.StateChanged = true;
        if (failure.Length == 0)
        {
            _context.Log($"{Name}@{peer.Name}: fenced");
            fence.IsNeeded = false;
            _evidence.Set(peer, PeerSlotFlags.PeerOutdated, true);
            BelieveOwnData();
        }
        else
        {
            _context.Log($"{Name}@{peer.Name}: not fenced: {failure}{(_writes.Frozen.Has(Frozen) ? "; I/O stays frozen" : "")}");
        }

        Action<CommandResult?>? answered = fence.OnAnswered;
        fence.OnAnswered = null;
        answered?.Invoke(failure.Length == 0 ? null : CommandResult.NoUpToDateData(
            $"{Name} is Consistent here: whether {peer.Name} went on without this node is not known: {failure}",
            $"connect to {peer.Name}, or make sure that it is down and then: blockrepl primary --force {Name}"));
    }

    // No peer has newer data: that is the evidence that a Consistent node waits for (G6).
    private void BelieveOwnData()
    {
        foreach (Volume volume in _context.Volumes)
        {
            if (volume.Disk == DiskState.Consistent && Array.TrueForAll(volume.Peers, FenceEvidence.IsOutdated))
                SetDisk(volume, DiskState.UpToDate);
        }
    }

    // A Primary goes on serving what it has, if it is let; but once it is Primary no more, or comes back from a crash, it knows that its data is old.
    private void OutdateSelf(Peer peer)
    {
        _context.Log($"{Name}: {peer.Name} is Primary; this node's data is outdated");
        foreach (Volume volume in _context.Volumes)
        {
            if (volume.Disk > DiskState.Outdated)
                SetDisk(volume, DiskState.Outdated);
        }
    }

    private void SetDisk(Volume volume, DiskState state)
    {
        if (_context.Role != Role.Primary)
            volume.Disk = state;
        volume.Superblock = volume.Superblock! with { Flags = Generations.FlagsFor(state, volume.Superblock!.Flags) };
        _context.StateChanged = true;
        _evidence.WriteUnlessPending(volume, null);
    }

    private void UnfenceIfBack(Peer peer, PeerFence fence)
    {
        if (fence.IsUnfencing || peer.Step != HandshakeStep.Done || !_evidence.HasAny(peer, PeerSlotFlags.PeerFencing))
            return;
        foreach (Volume volume in _context.Volumes)
        {
            PeerVolume at = volume.Peers[peer.Id.Value];
            if (at.State != ReplicationState.Established || volume.Disk != DiskState.UpToDate || at.PeerDisk != DiskState.UpToDate)
                return;
        }

        fence.IsUnfencing = true;
        if (!_context.Settings.Handlers.Contains(HandlerKind.UnfencePeer))
        {
            _evidence.Set(peer, PeerSlotFlags.PeerFencing, false);
            return;
        }

        // One that fails is called again when the peer has been away and is UpToDate once more.
        _handlers.Call(HandlerKind.UnfencePeer, peer, onDone: outcome =>
        {
            if (outcome.ExitCode == 0 && fence.Call is null && !fence.IsNeeded)
                _evidence.Set(peer, PeerSlotFlags.PeerFencing, false);
        });
    }
}
