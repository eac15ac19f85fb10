using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What follows when the local disk has done, or failed to do, what was asked of it.</summary>
internal sealed class DiskCompletions(
    ResourceContext context, LocalDisk disk, WritePath writes, SecondaryPath secondary, ServingPath serving, ResyncSource source, ResyncTarget target, RemoteService remote,
    Verification verification)
{
    private readonly List<ChangeRequest> _active = [];
    private readonly List<ChangeRequest> _held = [];
    private readonly List<FlushWaiter> _flushes = [];

    /// <summary>A change is done on the local disk, whoever asked for it.</summary>
    public void LocalChangeCompleted(ChangeRequest request, DiskResult result)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        if (IsLate(volume, request))
            return;
        context.NoteDiskProgress(volume);
        volume.Active.Remove(request);
        result = Canary.PeerWriteFailureIgnored && request.Origin == ChangeOrigin.Peer ? DiskResult.Ok : result;
        switch (request.Origin)
        {
            case ChangeOrigin.Client:
                OnClientWriteDone(volume, request, result);
                break;
            case ChangeOrigin.Peer:
                secondary.LocalDone(FindPeer(request.Link), request, result);
                if (!result.IsOk)
                    disk.Fail(volume, $"write failed: {result}");
                break;
            case ChangeOrigin.ResyncWrite when request.Chunk!.Repair is not null:
                verification.RepairWritten(request, result);
                break;
            case ChangeOrigin.ResyncWrite:
                target.WriteCompleted(request, result);
                break;
            default:
                throw Check.Unreachable("origin of a local change");
        }

        ReleaseHeld(volume);
    }

    // A write that found no room changed nothing that anybody was told of; the disk is sound. The peer may have it: marked. Any other error costs the disk.
    private void OnClientWriteDone(Volume volume, ChangeRequest request, DiskResult result)
    {
        if (result == DiskResult.NoSpace && !volume.IsServed)
        {
            foreach (PeerVolume peer in volume.Peers)
                peer.Mark(request.Range);
        }
        else if (!result.IsOk && MayPassOn(volume))
        {
            // No copy took it but perhaps one that lags behind: the client is told, the block is marked (I8), and the disk goes on.
            context.Log($"{context.Settings.Name}/{volume.Name}: write of {request.Range} failed: {result}; the client is told (on-io-error pass-on)");
            foreach (PeerVolume peer in volume.Peers)
                peer.Mark(request.Range);
        }
        else if (!result.IsOk)
        {
            disk.Fail(volume, $"write failed: {result}");
        }

        writes.LocalDone(request, result);
    }

    private bool MayPassOn(Volume volume) =>
        context.Settings.OnIoError == IoErrorPolicy.PassOn && volume.HasDisk && !volume.IsReturning && remote.FindServer(volume) is null;

    /// <summary>A read for a resync, or for the Primary, is over.</summary>
    public void ReadCompleted(ChangeRequest request, DiskResult result)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        if (request.IsLate && request.IsOver)
        {
            request.Chunk?.Buffer?.Release();
            request.Chunk?.Buffer = null;
        }

        if (IsLate(volume, request))
            return;
        if (request.Origin == ChangeOrigin.PeerRead)
        {
            context.NoteDiskProgress(volume);
            volume.Active.Remove(request);
            serving.Answer(request, result);
        }
        else if (request.Origin == ChangeOrigin.VerifyRead)
        {
            context.NoteDiskProgress(volume);
            verification.ReadCompleted(request, result);
        }
        else if (request.Origin == ChangeOrigin.ResyncCompare)
        {
            target.Compared(request, result);
        }
        else if (request.Chunk!.Repair is not null)
        {
            verification.RepairReadCompleted(request, result);
        }
        else
        {
            source.ReadCompleted(request, result);
        }

        ReleaseHeld(volume);
    }

    // The disk that it belongs to was given up: it changes nothing any more, but what it holds is free from here on (hard part 17).
    private bool IsLate(Volume volume, ChangeRequest request)
    {
        request.IsUnderWay = false;
        if (!request.IsLate || Canary.LateCompletionCounts)
            return false;
        request.IsLate = false;
        volume.LateOperations--;
        if (request.IsOver)
            context.ReturnRequest(request);
        return true;
    }

    /// <summary>A local flush is over for one of those who waited for it.</summary>
    public void Flushed(FlushWaiter waiter, DiskResult result)
    {
        switch (waiter.Kind)
        {
            case FlushWaiterKind.Client:
                writes.LocalDone((ChangeRequest)waiter.Subject, result);
                break;
            case FlushWaiterKind.PeerBarrier:
                var barrier = (PeerVolume)waiter.Subject;
                secondary.BarrierFlushed(barrier.Peer, barrier.Volume, waiter.Link, new SequenceNumber(waiter.Number), result);
                break;
            case FlushWaiterKind.SourceCheckpoint:
                var checkpointed = (PeerVolume)waiter.Subject;
                if (result.IsOk && checkpointed.Peer.Link == waiter.Link)
                    source.CheckpointStable(checkpointed, waiter.Number, here: true);
                break;
            case FlushWaiterKind.TargetCheckpoint:
                target.CheckpointFlushed((PeerVolume)waiter.Subject, waiter.Link, waiter.Number, result);
                break;
            case FlushWaiterKind.Action:
                ((Action<DiskResult>)waiter.Subject)(result);
                break;
            default:
                throw Check.Unreachable("flush waiter");
        }
    }

    /// <summary>
    /// The local disk is gone: everything that leaned on it ends in this event, also what is still inside a call that may never return. A Primary whose peer is in sync
    /// goes on with that; what the peer still has to confirm, its clients wait for.
    /// </summary>
    public void DiskFailed(Volume volume)
    {
        volume.Active.TakeAll(_active, _held);
        if (volume.Flushes.TakeAll(_flushes))
            volume.LateOperations++;
        List<MetadataWrite> writesLost = [.. volume.PendingMetadata];
        volume.PendingMetadata.Clear();
        volume.LateOperations += writesLost.Count;
        foreach (MetadataWrite write in writesLost)
            write.IsLate = true;
        foreach (ChangeRequest request in _active)
        {
            request.IsLate = request.IsUnderWay;
            volume.LateOperations += request.IsUnderWay ? 1 : 0;
        }

        volume.ActivityLog = null;
        volume.ActivityLogWriting = false;
        remote.Begin(volume);
        volume.IsReturning = false;
        volume.MirrorsBack = false;
        foreach (PeerVolume peer in volume.Peers)
        {
            peer.Source = null;
            peer.Target = null;
            peer.IsServing = peer.GetsChangesAlone = false;
            peer.IsReplicating = volume.Remote.Server == peer;
            if (peer.State != ReplicationState.Off)
                peer.State = ReplicationState.Established;
        }

        foreach (ChangeRequest request in _active)
            EndLocalPart(volume, request);
        for (int i = 0; i < _flushes.Count; i++)
            Flushed(_flushes[i], DiskResult.Io);
        foreach (ChangeRequest request in _held)
        {
            if (request.Origin == ChangeOrigin.Client)
                writes.Readmit(request);
            else
                EndLocalPart(volume, request);
        }

        if (!volume.IsServed)
            FailWaiting(volume);
        writes.RetryAwaitingExtent(volume);
        _active.Clear();
        _held.Clear();
        _flushes.Clear();
        foreach (MetadataWrite write in writesLost)
            write.OnFailed?.Invoke();
        remote.AnswerWaiting(volume);
    }

    // The peers may well answer; but none of them serves, so that nobody is known to have an UpToDate disk that holds what they confirm: a flush here has failed, and a change that the disk which is gone
    // had, perhaps only in its page cache, may be taken away again by the next resync (G2, G11).
    private void FailWaiting(Volume volume)
    {
        foreach (PeerVolume peer in volume.Peers)
            writes.Release(peer);

        writes.Fenced.Fail(volume);
        volume.GenerationPending = false;
        volume.GenerationAwaitsFlush = false;
        foreach (ChangeRequest request in volume.AwaitingGeneration)
        {
            request.Result = DiskResult.Io;
            request.Waits &= ~ChangeWaits.Generation;
            writes.FinishIfDone(request);
        }

        volume.AwaitingGeneration.Clear();
    }

    private void EndLocalPart(Volume volume, ChangeRequest request)
    {
        switch (request.Origin)
        {
            case ChangeOrigin.Client:
                writes.LocalDone(request, DiskResult.Io);
                break;
            case ChangeOrigin.Peer:
                // The status that follows says that the disk is gone, before the acknowledgement that passes this change.
                secondary.Abandon(FindPeer(request.Link), request);
                break;
            case ChangeOrigin.PeerRead:
                serving.Answer(request, DiskResult.Io);
                break;
            default:
                context.Release(request);
                break;
        }
    }

    /// <summary>A metadata write is over.</summary>
    public void MetadataWritten(MetadataWrite write, DiskResult result)
    {
        Volume volume = context.Volumes[write.Volume.Value];
        if (write.IsLate)
        {
            volume.LateOperations--;
            return;
        }

        context.NoteDiskProgress(volume);
        volume.PendingMetadata.Remove(write);
        if (result.IsOk)
        {
            if (write.Superblock is { } durable)
            {
                DiskState said = volume.SaidDisk(context.Role);
                volume.Durable = durable;
                context.IsPeerStatusDue |= volume.SaidDisk(context.Role) != said;
            }

            write.OnDurable?.Invoke();
        }
        else
            disk.Fail(volume, $"metadata could not be written: {result}");
        if (!result.IsOk)
            write.OnFailed?.Invoke();
    }

    /// <summary>Lets go what waited for an overlapping change that is over.</summary>
    public void ReleaseHeld(Volume volume)
    {
        while (volume.Active.HeldCount > 0 && volume.Active.TakeReleased() is { } request)
        {
            switch (request.Origin)
            {
                case ChangeOrigin.Client:
                    writes.Start(volume, request);
                    break;
                case ChangeOrigin.Peer:
                    secondary.Start(request);
                    break;
                case ChangeOrigin.PeerRead:
                    serving.Start(request);
                    break;
                case ChangeOrigin.ResyncRead:
                    source.StartRead(request);
                    break;
                case ChangeOrigin.ResyncWrite:
                    target.StartWrite(request);
                    break;
                case ChangeOrigin.ResyncCompare:
                    target.StartCompare(request);
                    break;
                case ChangeOrigin.VerifyRead:
                    verification.Release(request);
                    break;
                default:
                    throw Check.Unreachable("origin of a held change");
            }
        }
    }

    // A change of a link that is gone belongs to nobody; any peer will do to end it.
    private Peer FindPeer(LinkId link)
    {
        foreach (Peer peer in context.Peers)
        {
            if (peer.Link == link)
                return peer;
        }

        return context.Peers[0];
    }
}
