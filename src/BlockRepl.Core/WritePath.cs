using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The fate of each change that a client of this Primary asks for: admitted, activated, ordered, mirrored or marked, done.
/// </summary>
/// <remarks>
/// <code>
/// ClientChange ─► frozen? ─► extent active? ─► overlaps? ─► Start: sequence, SendChange or mark, LocalChange
///                  │ waits      │ waits           │ waits        │
///                  └ Thaw       └ log durable     └ earlier done └► Local + Peer + Generation all met ─► Reply
/// </code>
/// </remarks>
internal sealed class WritePath(ResourceContext context, FreezeRecord freeze, FencedChanges fenced, LocalDisk disk, RemoteService remote)
{
    private readonly Queue<ChangeRequest> _frozen = new();
    private readonly StrandedChanges _stranded = new(context);

    /// <summary>Who holds new changes back, and since when.</summary>
    public FreezeRecord Frozen { get; } = freeze;

    /// <summary>Changes that wait for a lost peer to be fenced.</summary>
    public FencedChanges Fenced { get; } = fenced;

    /// <summary>Set by <see cref="ResourceCore"/>: a change of the stream waited for an extent that has become active.</summary>
    public Action<ChangeRequest> OnPeerChangeAdmitted { get; set; } = _ => { };

    /// <summary>New changes are held back.</summary>
    public bool IsFrozen => Frozen.IsFrozen;

    /// <summary>Changes held back by <see cref="Freeze"/>.</summary>
    public int FrozenCount => _frozen.Count + _stranded.Count;

    /// <summary>Changes held back by <see cref="Freeze"/>, oldest first.</summary>
    public IEnumerable<ChangeRequest> Held => _frozen;

    /// <summary>Reads are held back as well: the data that they would see is expected back.</summary>
    public bool HoldsReads => Frozen.Has(FreezeReason.NoData | FreezeReason.Attach);

    /// <summary>Holds back every change that comes from now on.</summary>
    public void Freeze(FreezeReason reason) => Frozen.Add(reason);

    /// <summary>Lets the held changes go on, in the order in which they came, unless there is another reason to hold them.</summary>
    public void Thaw(FreezeReason reason)
    {
        Frozen.Remove(reason);
        if (!IsFrozen && _stranded.Count > 0)
            _stranded.Release(Admit);
        while (!IsFrozen && _frozen.TryDequeue(out ChangeRequest? request))
            Admit(request);
    }

    /// <summary>Answers everything that is held back with EIO, and holds back no longer for these reasons: this node gives the role up, and its clients are gone.</summary>
    public void FailHeld(FreezeReason reasons)
    {
        Fenced.GiveUp();
        for (int count = _frozen.Count; count > 0; count--)
        {
            ChangeRequest request = _frozen.Dequeue();
            request.Result = DiskResult.Io;
            Reply(request);
        }

        Frozen.Remove(reasons);
    }

    /// <summary>A client's change. Core takes its own reference on the buffer.</summary>
    public void ClientChange(VolumeNr nr, in ChangeHeader header, BlockBuffer? buffer, int bufferOffset, object cookie)
    {
        ChangeRequest request = context.RentRequest();
        request.Kind = header.Kind;
        request.Volume = nr;
        request.Range = header.Range;
        request.Flags = header.Flags;
        request.Buffer = buffer?.AddReference();
        request.BufferOffset = bufferOffset;
        request.Cookie = cookie;
        request.Origin = ChangeOrigin.Client;
        context.Application.Asked(request, context.NowUs);
        request.AdmittedMs = context.NowMs;
        if (IsFrozen)
            _frozen.Enqueue(request);
        else
            Admit(request);
    }

    /// <summary>A barrier that no client asked for: it bounds what is unstable (hard part 1) and lets extents leave the log.</summary>
    public void SendOwnBarrier(Volume volume)
    {
        if (volume.OwnBarrierInFlight || !volume.IsAccessible)
            return;
        volume.OwnBarrierInFlight = true;
        ChangeRequest request = context.RentRequest();
        request.Kind = ChangeKind.Flush;
        request.Volume = volume.Nr;
        request.Range = default;
        request.Flags = ChangeFlags.Background;
        request.Origin = ChangeOrigin.Client;
        StartFlush(volume, request);
    }

    /// <summary>Bounds what is unstable by number and by age (G12, hard part 1).</summary>
    public void SendOwnBarrierIfDue(Volume volume)
    {
        foreach (PeerVolume peer in volume.Peers)
        {
            if (peer.IsBarrierDue(context.Settings, context.NowMs))
                SendOwnBarrier(volume);
        }
    }

    /// <summary>An extent that changes waited for has become active: they are admitted anew, in the order in which they came.</summary>
    public void RetryAwaitingExtent(Volume volume)
    {
        List<ChangeRequest> waiting = volume.AwaitingExtent;
        if (waiting.Count == 0)
            return;
        volume.AwaitingExtent = [];
        foreach (ChangeRequest request in waiting)
        {
            if (request.Origin == ChangeOrigin.Client)
                Admit(request);
            else
                OnPeerChangeAdmitted(request);
        }
    }

    /// <summary>The local part of a client's change is over.</summary>
    public void LocalDone(ChangeRequest request, DiskResult result)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        if (!result.IsOk && volume.IsServed)
            ServedChanges.RelyOn(volume, request, context.NowMs);
        else if (!result.IsOk && request.Result.IsOk && !Canary.FailedWriteAnsweredOk)
            request.Result = result;
        request.Waits &= ~ChangeWaits.Local;
        FinishIfDone(request);
    }

    /// <summary>The peer has applied everything up to here.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="counted">Up to where the protocol's condition is met.</param>
    /// <param name="applied">Up to where everything is applied: what counts for a change of which the peer has the only copy.</param>
    public void PeerApplied(Peer peer, SequenceNumber counted, SequenceNumber applied)
    {
        while (peer.AwaitingAck.TryPeek(out ChangeRequest? request) && request.Sequence <= (request.IsServed ? applied : counted))
        {
            peer.AwaitingAck.Dequeue();
            request.Waits &= ~ChangeWaits.Peer;
            FinishIfDone(request);
        }
    }

    /// <summary>The peer has everything of this volume up to here on stable storage.</summary>
    public void PeerStable(PeerVolume peerVolume, SequenceNumber stable)
    {
        peerVolume.Unstable.ConfirmStable(stable);
        peerVolume.UnstableSinceMs = context.NowMs;
        if (peerVolume.PeerStable < stable)
            peerVolume.PeerStable = stable;
        while (peerVolume.AwaitingStable.TryPeek(out ChangeRequest? request) && request.Sequence <= stable)
        {
            peerVolume.AwaitingStable.Dequeue();
            request.Waits &= ~ChangeWaits.Peer;
            FinishIfDone(request);
        }
    }

    /// <summary>
    /// The peer no longer mirrors this volume: the connection or its disk is gone. Everything that it has not confirmed as stable becomes a mark; if anybody was or may
    /// be told of something that the peer does not have, this node gets a generation of its own first (hard parts 1 and 3, I2, I9).
    /// </summary>
    public void StopReplicating(PeerVolume peerVolume)
    {
        Volume volume = peerVolume.Volume;
        if (peerVolume.IsReplicating)
        {
            peerVolume.IsReplicating = false;
            remote.Lost(peerVolume);
            bool peerMisses = peerVolume.Unstable.Count > 0
                && (peerVolume.Unstable.Newest > peerVolume.Peer.Applied || peerVolume.HasClientFlush);
            peerVolume.Unstable.MarkAllAndClear(peerVolume);
            if (peerMisses && !volume.IsReturning)
                Fenced.EnsureOwnGeneration(peerVolume);
        }

        // Also when mirroring ended earlier, because the local disk failed: nobody else will ever answer these.
        Release(peerVolume);
    }

    /// <summary>Nothing waits for this peer's word on the volume any more: it is gone, or what it has counts for nothing.</summary>
    public void Release(PeerVolume peerVolume)
    {
        Volume volume = peerVolume.Volume;
        while (peerVolume.AwaitingStable.TryDequeue(out ChangeRequest? flush))
            ReleaseFromPeer(volume, flush);
        int waiting = peerVolume.Peer.AwaitingAck.Count;
        for (int i = 0; i < waiting; i++)
        {
            ChangeRequest request = peerVolume.Peer.AwaitingAck.Dequeue();
            if (request.Volume == volume.Nr)
                ReleaseFromPeer(volume, request);
            else
                peerVolume.Peer.AwaitingAck.Enqueue(request);
        }
    }

    /// <summary>Ends a change if nothing is waited for any more.</summary>
    public void FinishIfDone(ChangeRequest request)
    {
        if (request.Waits != ChangeWaits.None)
            return;
        Volume volume = context.Volumes[request.Volume.Value];
        if (request.IsFlush && (request.Flags & ChangeFlags.Background) != 0)
            volume.OwnBarrierInFlight = false;
        else if (request.IsFlush)
            volume.ClientFlushes--;
        request.Log?.Leave(request.Range);
        request.Log = null;
        ServedChanges.Discount(volume, request);
        if (request.IsStranded)
            NoData(volume, request);
        else
            Reply(request);
    }

    private void ReleaseFromPeer(Volume volume, ChangeRequest request)
    {
        request.Waits &= ~ChangeWaits.Peer;
        if (request.IsServed && !volume.IsAccessible)
            request.IsStranded = true;
        else if (volume.HasDisk && Fenced.IsHolding && (request.Flags & ChangeFlags.Background) == 0)
            Fenced.Hold(volume, request);
        else if (volume.HasDisk)
            Generations.AwaitGeneration(volume, request);
        else if (request.Result.IsOk)
            request.Result = DiskResult.Io;
        FinishIfDone(request);
    }

    /// <summary>A change was held back behind another on a disk that is gone: it goes its way without that disk.</summary>
    public void Readmit(ChangeRequest request)
    {
        request.Log = null;
        Admit(request);
    }

    private void Admit(ChangeRequest request)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        if (context.Role != Role.Primary || !volume.IsAccessible)
        {
            NoData(volume, request);
        }
        else if (request.IsFlush)
        {
            volume.ClientFlushes++;
            StartFlush(volume, request);
        }
        else if (request.Range.Length == 0)
        {
            Reply(request);
        }
        else if (!volume.WritesLocally)
        {
            Start(volume, request);
        }
        else if (volume.WaitsForExtent(request.Range) || !volume.ActivityLog!.TryEnter(request.Range))
        {
            volume.AwaitingExtent.Add(request);
        }
        else
        {
            request.Log = volume.ActivityLog;
            if (volume.Active.TryStart(request))
                Start(volume, request);
        }
    }

    /// <summary>Gives the change its place in stream order and puts it on its ways. It is active: nothing that overlaps it runs.</summary>
    public void Start(Volume volume, ChangeRequest request)
    {
        request.Sequence = context.NextSequence();
        volume.LastChange = request.Sequence;
        bool isLocal = volume.WritesLocally;
        if (isLocal)
        {
            request.Waits |= ChangeWaits.Local;
            request.Log!.NoteSequence(request.Range, request.Sequence);
        }

        if (volume.IsServed)
            ServedChanges.Count(volume, request);
        foreach (PeerVolume peer in volume.Peers)
        {
            if (peer.IsReplicating)
            {
                Mirror(peer, request);
            }
            else if (volume.Superblock is not null)
            {
                peer.Mark(Canary.AloneNotMarked ? default : request.Range);
                Fenced.EnsureOwnGeneration(peer);
                if (Fenced.IsHolding)
                    Fenced.Hold(volume, request);
                else
                    Generations.AwaitGeneration(volume, request);
            }
        }

        if (volume.IsServed)
            Generations.AwaitGeneration(volume, request);
        if (isLocal)
            context.StartOnDisk(EffectKind.LocalChange, request);
    }

    private void Mirror(PeerVolume peer, ChangeRequest request)
    {
        if (peer.Unstable.Count == 0)
            peer.UnstableSinceMs = context.NowMs;
        peer.Unstable.Append(request.Sequence, request.Range);
        context.SendChange(peer, request);
        if (context.Settings.OnCongestion == CongestionPolicy.PullAhead)
            peer.Peer.Sent.Append(request.Sequence, request.Kind == ChangeKind.Write ? request.Range.Length : 0);
        if (peer.Peer.Protocol != WriteProtocol.C && !request.IsServed)
            peer.Peer.AnsweredEarly = request.Sequence;
        if ((peer.Peer.Protocol == WriteProtocol.A || Canary.AnswerBeforePeer) && !request.IsServed)
            return;
        AwaitAck(peer.Peer, request);
    }

    private void AwaitAck(Peer peer, ChangeRequest request)
    {
        if (peer.AwaitingAck.Count == 0)
            peer.ProgressMs = context.NowMs;
        request.Waits |= ChangeWaits.Peer;
        peer.AwaitingAck.Enqueue(request);
    }

    private void StartFlush(Volume volume, ChangeRequest request)
    {
        request.Sequence = context.NextSequence();
        bool isLocal = volume.WritesLocally;
        request.Waits = isLocal ? ChangeWaits.Local : ChangeWaits.None;
        if (volume.IsServed)
            ServedChanges.Count(volume, request);
        foreach (PeerVolume peer in volume.Peers)
        {
            if (!peer.IsReplicating)
                continue;
            context.SendChange(peer, request);

            // Protocols A and B promise nothing about the peer's stable storage (G3 is protocol C's); a barrier of the Primary's own always
            // waits, because only the peer's answer makes anything stable there.
            if (peer.Peer.Protocol != WriteProtocol.C && (request.Flags & ChangeFlags.Background) == 0 && !request.IsServed)
                continue;
            if (peer.Peer.AwaitingAck.Count == 0 && peer.AwaitingStable.Count == 0)
                peer.Peer.ProgressMs = context.NowMs;
            request.Waits |= ChangeWaits.Peer;
            peer.AwaitingStable.Enqueue(request);
        }

        Generations.AwaitGeneration(volume, request);
        if (isLocal)
            disk.Flush(volume, FlushWaiter.ForClient(request));
    }

    // Neither the local disk nor a peer has the data: the change fails, or waits until the peer that served is back (on-no-data-accessible).
    private void NoData(Volume volume, ChangeRequest request)
    {
        if (_stranded.TryHold(volume, request))
        {
            Frozen.Add(FreezeReason.NoData);
            return;
        }

        if (request.Result.IsOk)
            request.Result = DiskResult.Io;
        Reply(request);
    }

    private void Reply(ChangeRequest request)
    {
        if (request.Cookie is not null)
        {
            context.Application.Answered(request, context.NowUs);
            ref Effect effect = ref context.Effects.Add(EffectKind.Reply);
            effect.Volume = request.Volume;
            effect.Subject = request.Cookie;
            effect.Result = request.Result;
        }

        context.Release(request);
    }
}
