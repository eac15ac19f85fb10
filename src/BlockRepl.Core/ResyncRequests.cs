using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// Resyncs that begin on a living connection, without a handshake: <c>invalidate</c>, <c>invalidate-remote</c>, and marks that came to be while the nodes were in sync.
/// The node that wants one asks; the other refuses unless both see the volume in sync; from the grant on the flow is the one that a handshake starts.
/// </summary>
/// <remarks>
/// While a node waits for an answer it refuses what the other asks, so two requests that cross end both. A node that asked to be the target is not promotable meanwhile
/// (<see cref="ReplicationState.WFBitMapT"/>). Nothing is lost if the connection ends at any point: until the source has named the resync durably nothing has changed, and then its marks say everything.
/// </remarks>
internal sealed class ResyncRequests(ResourceContext context, FreezeRecord freeze, Generations generations, ResyncSource source, ResyncTarget target)
{
    // DRBD's rule for "marks, and nobody went on alone": the two share their generation.
    private const int SharedGenerationRule = 42;

    // The server went on from the generation of the disk that was lost: the two rules of a handshake for that.
    private const int ReturnTargetRule = 50;
    private const int ReturnSourceRule = 70;

    // Marks that cannot be resynced, for whatever reason, must not be tried at every tick.
    private const long MarksRetryMs = 10_000;

    private readonly List<Asked> _asked = [];
    private long _marksTriedMs = long.MinValue / 2;

    private sealed class Asked(PeerVolume at, ulong id, bool full, bool hereIsTarget, CommandBatch? batch)
    {
        public PeerVolume At { get; } = at;

        public ulong Id { get; } = id;

        public bool Full { get; } = full;

        public bool HereIsTarget { get; } = hereIsTarget;

        public CommandBatch? Batch { get; } = batch;

        public LinkId Link { get; } = at.Peer.Link;

        public bool IsGranted { get; set; }
    }

    /// <summary>
    /// <c>invalidate</c>: this node's data is thrown away; <c>invalidate-remote</c>: the peer's is overwritten with this node's. <paramref name="isBusy"/>: a role change or a shutdown is under way.
    /// </summary>
    public void Invalidate(OperatorCommand command, object? cookie, bool isBusy)
    {
        bool remote = command.Verb == OperatorVerb.InvalidateRemote;
        CommandResult? refusal = isBusy
            ? CommandResult.Refused($"a role change, disconnect or down of {context.Settings.Name} is under way", "try again when it is over")
            : remote ? RefuseInvalidateRemote(command) : RefuseInvalidate(command);
        if (refusal is not null)
        {
            context.CompleteCommand(cookie, refusal);
            return;
        }

        var batch = new CommandBatch(context, cookie);
        foreach (PeerVolume at in Named(command))
        {
            if (at.Peer.IsConnected)
                Ask(at, full: true, hereIsTarget: !remote, batch);
            else
                InvalidateAlone(at, batch);
        }

        batch.CompleteIfDone();
    }

    /// <summary>Set by <see cref="ResourceCore"/>: the disk of a Primary that was to come back cannot.</summary>
    public Action<Volume, string> OnReturnRefused { get; set; } = (_, _) => { };

    /// <summary>A disk is back under this Primary: the peer that serves is asked to be the source.</summary>
    public void AskForReturn(PeerVolume at, bool full) => Ask(at, full, hereIsTarget: true, null);

    /// <summary>The peer wants a resync. <paramref name="isRoleChanging"/>: this node is being promoted or demoted.</summary>
    public void PeerAsks(PeerVolume at, ResyncRequestMessage request, bool isRoleChanging)
    {
        bool hereIsTarget = !request.SenderIsTarget;
        string refusal = WhyNot(at, hereIsTarget, isRoleChanging);
        context.Send(at.Peer, new ResyncReplyMessage(request.Id, refusal.Length == 0, refusal));
        if (refusal.Length == 0)
            Start(at, request.Full, hereIsTarget);
    }

    /// <summary>The peer has answered.</summary>
    public void PeerAnswers(Peer peer, ResyncReplyMessage reply)
    {
        if (_asked.Find(one => one.Id == reply.Id && one.At.Peer == peer && !one.IsGranted) is not { } asked)
            return;
        if (!reply.Granted)
        {
            Fail(asked, CommandResult.Refused($"{peer.Name} refuses: {reply.Reason}", $"look at status there, and try again: blockrepl status {context.Settings.Name}"));
            return;
        }

        asked.IsGranted = true;
        if (!asked.At.HasLostDisk)
            Start(asked.At, asked.Full, asked.HereIsTarget);
    }

    /// <summary>Ends what was asked for and has begun, or can no longer begin. Called after every event.</summary>
    public void Advance()
    {
        for (int i = _asked.Count - 1; i >= 0; i--)
        {
            Asked asked = _asked[i];
            if (asked.At.Peer.Link != asked.Link)
                Fail(asked, CommandResult.Failed("the connection was lost before the resync had begun", "look at status, and try again"));
            else if (asked.At.HasLostDisk)
                Fail(asked, CommandResult.Failed($"a disk of {Name(asked.At)} failed before the resync had begun", "see the log"));
            else if (asked.IsGranted && HasBegun(asked))
                Succeed(asked);
        }
    }

    /// <summary>Time passes.</summary>
    public void Tick(Peer peer)
    {
        ResyncMarks(peer);
        source.Tick(peer);
    }

    // Marks that came to be in sync (a Primary's disk was full, and the peer took the write) are resynced by themselves once the volume is quiet.
    private void ResyncMarks(Peer peer)
    {
        // Snapshots of both disks may be under way while an operator holds I/O (I19).
        if (!peer.IsConnected || peer.Version < ProtocolVersion.V2 || freeze.Has(FreezeReason.User) || context.NowMs - _marksTriedMs < MarksRetryMs)
            return;
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume at = volume.Peers[peer.Id.Value];
            bool isInSync = at.State == ReplicationState.Established && volume.Disk == DiskState.UpToDate && at.PeerDisk == DiskState.UpToDate;
            if (!isInSync || Verification.KeepsMarks(at) || at.Bitmap!.SetCount == 0 || !volume.IsQuiet || volume.HasClientChanges || IsAsking(at))
                continue;
            _marksTriedMs = context.NowMs;
            context.Log($"{Name(at)}: {at.Bitmap.SetCount} blocks are marked although in sync; they are resynced");

            // The Primary's data counts (rule 41).
            Ask(at, full: false, hereIsTarget: peer.Role == Role.Primary, null);
        }
    }

    private CommandResult? RefuseInvalidate(OperatorCommand command)
    {
        string name = context.Settings.Name;
        if (context.Role == Role.Primary)
        {
            return CommandResult.Refused(
                $"{name} is Primary here: its data is in use", $"demote it first: blockrepl secondary {name}; to overwrite the peer's data instead: blockrepl invalidate-remote {name}");
        }

        if (context.Peers.Length == 0)
            return CommandResult.Refused($"{name} has no peer: there is no other copy", "invalidate is for a resource between two nodes");
        foreach (PeerVolume at in Named(command))
        {
            if (!at.Volume.HasDisk)
                return CommandResult.NoDisk($"{name}/{at.Volume.Name} has no local disk here ({at.Volume.Disk})", $"bring it up first: blockrepl up {name}");
            if (at.Peer.Link != LinkId.None && !at.Peer.IsConnected)
                return CommandResult.Refused($"{name} is just connecting to {at.Peer.Name}", "try again when status shows Connected");
            if (!at.Peer.IsConnected)
                continue;
            if (at.Peer.Version < ProtocolVersion.V2)
                return TooOld(at, $"disconnect first, invalidate, then connect: blockrepl disconnect {name}");
            if (WhyNot(at, hereIsTarget: true, isRoleChanging: false) is { Length: > 0 } why)
                return CommandResult.Refused(why, $"look at status: blockrepl status {name}");
        }

        return null;
    }

    private CommandResult? RefuseInvalidateRemote(OperatorCommand command)
    {
        string name = context.Settings.Name;
        if (context.Peers.Length == 0)
            return CommandResult.Refused($"{name} has no peer", "invalidate-remote is for a resource between two nodes");
        foreach (PeerVolume at in Named(command))
        {
            if (!at.Volume.HasDisk)
                return CommandResult.NoDisk($"{name}/{at.Volume.Name} has no local disk here ({at.Volume.Disk})", $"bring it up first: blockrepl up {name}");
            if (!at.Peer.IsConnected)
                return CommandResult.Refused($"{name} is not connected to {at.Peer.Name} ({at.Peer.State})", $"connect first: blockrepl connect {name}; or say there: blockrepl invalidate {name}");
            if (at.Peer.Version < ProtocolVersion.V2)
                return TooOld(at, $"say there: blockrepl disconnect {name}, blockrepl invalidate {name}, blockrepl connect {name}");
            if (WhyNot(at, hereIsTarget: false, isRoleChanging: false) is { Length: > 0 } why)
                return CommandResult.Refused(why, $"look at status: blockrepl status {name}");
        }

        return null;
    }

    private static CommandResult TooOld(PeerVolume at, string hint) =>
        CommandResult.Refused($"{at.Peer.Name} speaks protocol version {(uint)at.Peer.Version}, which cannot begin a resync on a living connection", hint);

    // Both sides ask this before a resync begins: the source must be UpToDate (I12), the target no Primary, and nothing else under way between the two.
    private string WhyNot(PeerVolume at, bool hereIsTarget, bool isRoleChanging)
    {
        string name = Name(at);
        if (IsAsking(at))
            return $"a request for a resync of {name} is under way already";
        if (freeze.Has(FreezeReason.User))
            return $"I/O of {context.Settings.Name} is suspended on {context.Settings.NodeName}: a resync would change a disk that snapshots are taken of";
        if (!at.IsMatched || at.State != ReplicationState.Established)
            return $"{name} is {at.State}, not Established";
        bool isReturn = !hereIsTarget && at.IsServing && at.Volume.HasDisk;
        if (at.HasLostDisk && !isReturn)
            return $"{name}: {context.Settings.NodeName} is {at.Volume.Disk}, {at.Peer.Name} is {at.PeerDisk}";
        DiskState sourceDisk = hereIsTarget ? at.PeerDisk : at.Volume.Disk;
        if (sourceDisk != DiskState.UpToDate)
            return $"{name}: the disk of {(hereIsTarget ? at.Peer.Name : context.Settings.NodeName)} is {sourceDisk}; only UpToDate data may be copied";
        if (hereIsTarget && isRoleChanging)
            return $"a role change of {context.Settings.NodeName} is under way";
        Role targetRole = hereIsTarget ? context.Role : at.Peer.Role;
        if (targetRole == Role.Primary && !isReturn)
            return $"{(hereIsTarget ? context.Settings.NodeName : at.Peer.Name)} is Primary: its data is in use";
        return "";
    }

    private void Ask(PeerVolume at, bool full, bool hereIsTarget, CommandBatch? batch)
    {
        ulong id = context.NextTicket();
        batch?.Begin();
        _asked.Add(new Asked(at, id, full, hereIsTarget, batch));
        if (hereIsTarget)
            at.State = ReplicationState.WFBitMapT;
        context.StateChanged = true;
        context.Send(at.Peer, new ResyncRequestMessage(id, at.Volume.Nr, full, hereIsTarget));
    }

    private void Start(PeerVolume at, bool full, bool hereIsTarget)
    {
        SyncResult result = hereIsTarget
            ? full ? SyncResult.TargetFull : SyncResult.TargetBitmap
            : full ? SyncResult.SourceFull : SyncResult.SourceBitmap;
        bool isReturn = at.IsServing || at.Volume.IsReturning;
        at.Verdict = isReturn
            ? new SyncVerdict(result, hereIsTarget ? ReturnTargetRule : ReturnSourceRule, "the disk of the Primary is back")
            : new SyncVerdict(result, SharedGenerationRule, full ? "asked for by an operator" : "marks although in sync");
        at.IsAfterCrash = false;
        context.Log($"{Name(at)}: {result}: {at.Verdict.Reason}");
        context.StateChanged = true;
        if (!hereIsTarget)
        {
            if (isReturn)
                at.PeerDisk = DiskState.Negotiating;
            ResyncSource.Prepare(at, full);
            if (full)
                source.Begin(at);
            return;
        }

        at.State = ReplicationState.WFBitMapT;
        if (full)
            at.PeerReportedDirtyBlocks = Block.CountFor(at.Volume.SizeBytes);
        else
            target.SendBitmap(at);
    }

    // Durable on both sides before the command is done: as the target it is Inconsistent, as the source all is marked and the target is Inconsistent.
    private static bool HasBegun(Asked asked) =>
        asked.HereIsTarget ? asked.At.State == ReplicationState.SyncTarget : asked.At.Source is { IsBegun: true } || asked.At.State == ReplicationState.Established;

    // Nobody to ask: from now on this disk counts for nothing, until a peer has overwritten all of it.
    private void InvalidateAlone(PeerVolume at, CommandBatch batch)
    {
        Volume volume = at.Volume;
        volume.Disk = DiskState.Inconsistent;
        at.Bitmap!.SetAll();
        Superblock superblock = volume.Superblock!;
        PeerSlot slot = superblock.Peers[at.Slot];
        superblock = superblock.WithPeer(at.Slot, slot with { Flags = slot.Flags | PeerSlotFlags.FullSync }) with
        {
            Flags = Generations.FlagsFor(DiskState.Inconsistent, superblock.Flags),
        };
        context.StateChanged = true;
        context.Log($"{Name(at)}: invalidated by an operator; a full resync is due");
        batch.Begin();
        generations.Persist(
            volume,
            superblock,
            () => batch.End(CommandResult.Ok),
            whenFailed: () => batch.End(CommandResult.Failed($"the metadata of {context.Settings.Name}/{volume.Name} could not be written", "see the log")));
    }

    private void Succeed(Asked asked)
    {
        _asked.Remove(asked);
        asked.Batch?.End(CommandResult.Ok);
    }

    private void Fail(Asked asked, CommandResult result)
    {
        _asked.Remove(asked);

        // Not begun: the two go on as they were.
        bool isWaiting = asked.HereIsTarget && !asked.IsGranted && asked.At.Peer.Link == asked.Link && asked.At.State == ReplicationState.WFBitMapT;
        if (isWaiting)
            asked.At.State = ReplicationState.Established;
        context.StateChanged = true;
        asked.Batch?.End(result);
        if (isWaiting && asked.At.Volume.IsReturning)
            OnReturnRefused(asked.At.Volume, result.Message);
    }

    /// <summary>This node has asked for a resync that has not begun.</summary>
    public bool IsAsking(PeerVolume at) => _asked.Exists(one => one.At == at);

    private IEnumerable<PeerVolume> Named(OperatorCommand command)
    {
        foreach (Volume volume in context.Volumes)
        {
            foreach (PeerVolume at in volume.Peers)
            {
                if (command.Volume is null || command.Volume == volume.Nr)
                    yield return at;
            }
        }
    }

    private string Name(PeerVolume at) => $"{context.Settings.Name}/{at.Volume.Name}@{at.Peer.Name}";
}
