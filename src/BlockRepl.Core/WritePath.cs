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
internal sealed class WritePath(ResourceContext context, Generations generations, LocalDisk disk)
{
    private readonly Queue<ChangeRequest> _frozen = new();

    private FreezeReason _frozenFor;

    /// <summary>New changes are held back: a handshake or a role change needs a moment without any.</summary>
    public bool IsFrozen => _frozenFor != FreezeReason.None;

    /// <summary>Changes held back by <see cref="Freeze"/>.</summary>
    public int FrozenCount => _frozen.Count;

    /// <summary>Holds back every change that comes from now on.</summary>
    public void Freeze(FreezeReason reason) => _frozenFor |= reason;

    /// <summary>Lets the held changes go on, in the order in which they came, unless there is another reason to hold them.</summary>
    public void Thaw(FreezeReason reason)
    {
        _frozenFor &= ~reason;
        while (!IsFrozen && _frozen.TryDequeue(out ChangeRequest? request))
            Admit(request);
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
        if (IsFrozen)
            _frozen.Enqueue(request);
        else
            Admit(request);
    }

    /// <summary>A barrier that no client asked for: it bounds what is unstable (hard part 1) and lets extents leave the log.</summary>
    public void SendOwnBarrier(Volume volume)
    {
        if (volume.OwnBarrierInFlight || !volume.HasDisk)
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
        if (volume.OwnBarrierInFlight)
            return;
        foreach (PeerVolume peer in volume.Peers)
        {
            if (!peer.IsReplicating || peer.Unstable.Count == 0)
                continue;
            if (peer.Unstable.Count >= context.Settings.EpochWritesMax
                || context.NowMs - peer.UnstableSinceMs >= context.Settings.EpochAgeMaxMs)
            {
                SendOwnBarrier(volume);
                return;
            }
        }
    }

    /// <summary>The local disk is gone: what waits for its metadata cannot be done any more.</summary>
    public void DiskFailed(Volume volume)
    {
        List<ChangeRequest> waiting = volume.AwaitingExtent;
        volume.AwaitingExtent = [];
        foreach (ChangeRequest request in waiting)
        {
            request.Result = DiskResult.Io;
            Reply(request);
        }

        // The peers may well answer; but without a disk a flush here has failed, whatever they say.
        foreach (PeerVolume peer in volume.Peers)
        {
            while (peer.AwaitingStable.TryDequeue(out ChangeRequest? flush))
            {
                flush.Result = DiskResult.Io;
                flush.Waits &= ~ChangeWaits.Peer;
                FinishIfDone(flush);
            }
        }

        volume.GenerationPending = false;
        foreach (ChangeRequest request in volume.AwaitingGeneration)
        {
            request.Result = DiskResult.Io;
            request.Waits &= ~ChangeWaits.Generation;
            FinishIfDone(request);
        }

        volume.AwaitingGeneration.Clear();
    }

    /// <summary>An extent that changes waited for has become active: they are admitted anew, in the order in which they came.</summary>
    public void RetryAwaitingExtent(Volume volume)
    {
        List<ChangeRequest> waiting = volume.AwaitingExtent;
        if (waiting.Count == 0)
            return;
        volume.AwaitingExtent = [];
        foreach (ChangeRequest request in waiting)
            Admit(request);
    }

    /// <summary>The local part of a client's change is over.</summary>
    public void LocalDone(ChangeRequest request, DiskResult result)
    {
        if (!result.IsOk && request.Result.IsOk)
            request.Result = result;
        request.Waits &= ~ChangeWaits.Local;
        FinishIfDone(request);
    }

    /// <summary>The peer has applied everything up to here.</summary>
    public void PeerApplied(Peer peer, SequenceNumber applied)
    {
        while (peer.AwaitingAck.TryPeek(out ChangeRequest? request) && request.Sequence <= applied)
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
            bool peerMisses = peerVolume.Unstable.Count > 0
                && (peerVolume.Unstable.Newest > peerVolume.Peer.Applied || ClientAwaitsStable(peerVolume));
            peerVolume.Unstable.MarkAllAndClear(peerVolume);
            if (peerMisses)
                generations.EnsureOwnGeneration(volume);
        }

        // Also when mirroring ended earlier, because the local disk failed: nobody else will ever answer these.

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
        if (request.IsFlush)
        {
            if ((request.Flags & ChangeFlags.Background) != 0)
                volume.OwnBarrierInFlight = false;
        }
        else
        {
            volume.ActivityLog?.Leave(request.Range);
        }

        Reply(request);
    }

    // A barrier of the Primary's own promised nobody anything: it is no reason for a generation, which could look like a split brain later (G7).
    private static bool ClientAwaitsStable(PeerVolume peerVolume)
    {
        foreach (ChangeRequest flush in peerVolume.AwaitingStable)
        {
            if ((flush.Flags & ChangeFlags.Background) == 0)
                return true;
        }

        return false;
    }

    private void ReleaseFromPeer(Volume volume, ChangeRequest request)
    {
        request.Waits &= ~ChangeWaits.Peer;
        if (volume.HasDisk)
            Generations.AwaitGeneration(volume, request);
        else if (request.Result.IsOk)
            request.Result = DiskResult.Io;
        FinishIfDone(request);
    }

    private void Admit(ChangeRequest request)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        if (context.Role != Role.Primary || !volume.HasDisk)
        {
            request.Result = DiskResult.Io;
            Reply(request);
        }
        else if (request.IsFlush)
        {
            StartFlush(volume, request);
        }
        else if (request.Range.Length == 0)
        {
            Reply(request);
        }
        else if (WaitsBehind(volume.AwaitingExtent, request.Range) || !volume.ActivityLog!.TryEnter(request.Range))
        {
            volume.AwaitingExtent.Add(request);
        }
        else if (volume.Active.TryStart(request))
        {
            Start(volume, request);
        }
    }

    // A change that waits for an extent has its place before a later one that overlaps it, also where the later one's own extents are active: the earlier may be a
    // dead connection's, which its client has long sent again (hard parts 7 and 8).
    private static bool WaitsBehind(List<ChangeRequest> waiting, ByteRange range)
    {
        foreach (ChangeRequest earlier in waiting)
        {
            if (earlier.Range.Overlaps(range))
                return true;
        }

        return false;
    }

    /// <summary>Gives the change its place in stream order and puts it on its ways. It is active: nothing that overlaps it runs.</summary>
    public void Start(Volume volume, ChangeRequest request)
    {
        if (!volume.HasDisk)
        {
            // It was held back behind the change that cost the disk.
            volume.Active.Remove(request);
            request.Result = DiskResult.Io;
            FinishIfDone(request);
            return;
        }

        request.Sequence = context.NextSequence();
        request.Waits |= ChangeWaits.Local;
        volume.LastChange = request.Sequence;
        volume.ActivityLog!.NoteSequence(request.Range, request.Sequence);
        foreach (PeerVolume peer in volume.Peers)
        {
            if (peer.IsReplicating)
            {
                Mirror(peer, request);
            }
            else if (volume.Superblock is not null)
            {
                peer.Mark(request.Range);
                generations.EnsureOwnGeneration(volume);
                Generations.AwaitGeneration(volume, request);
            }
        }

        ref Effect effect = ref context.Effects.Add(EffectKind.LocalChange);
        effect.Volume = volume.Nr;
        effect.Subject = request;
    }

    private void Mirror(PeerVolume peer, ChangeRequest request)
    {
        if (peer.Unstable.Count == 0)
            peer.UnstableSinceMs = context.NowMs;
        peer.Unstable.Append(request.Sequence, request.Range);
        context.SendChange(peer, request);
        if (peer.Peer.Protocol == WriteProtocol.A)
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
        request.Waits = ChangeWaits.Local;
        foreach (PeerVolume peer in volume.Peers)
        {
            if (!peer.IsReplicating)
                continue;
            context.SendChange(peer, request);

            // Protocols A and B promise nothing about the peer's stable storage (G3 is protocol C's); a barrier of the Primary's own always
            // waits, because only the peer's answer makes anything stable there.
            if (peer.Peer.Protocol != WriteProtocol.C && (request.Flags & ChangeFlags.Background) == 0)
                continue;
            if (peer.Peer.AwaitingAck.Count == 0 && peer.AwaitingStable.Count == 0)
                peer.Peer.ProgressMs = context.NowMs;
            request.Waits |= ChangeWaits.Peer;
            peer.AwaitingStable.Enqueue(request);
        }

        Generations.AwaitGeneration(volume, request);
        disk.Flush(volume, FlushWaiter.ForClient(request));
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

        context.ReturnRequest(request);
    }
}
