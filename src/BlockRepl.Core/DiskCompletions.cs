using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What follows when the local disk has done, or failed to do, what was asked of it.</summary>
internal sealed class DiskCompletions(
    ResourceContext context, LocalDisk disk, WritePath writes, SecondaryPath secondary, ResyncSource source, ResyncTarget target)
{
    /// <summary>A change is done on the local disk, whoever asked for it.</summary>
    public void LocalChangeCompleted(ChangeRequest request, DiskResult result)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        volume.Active.Remove(request);
        switch (request.Origin)
        {
            case ChangeOrigin.Client:
                OnClientWriteDone(volume, request, result);
                break;
            case ChangeOrigin.Peer:
                Peer peer = FindPeer(request.Link);
                secondary.LocalDone(peer, request, result);
                if (!result.IsOk)
                    disk.Fail(volume, $"write failed: {result}");
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
        if (result == DiskResult.NoSpace)
        {
            foreach (PeerVolume peer in volume.Peers)
                peer.Mark(request.Range);
        }
        else if (!result.IsOk)
        {
            disk.Fail(volume, $"write failed: {result}");
        }

        writes.LocalDone(request, result);
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

    /// <summary>The local disk is gone: everything that leaned on it ends in this event.</summary>
    public void DiskFailed(Volume volume)
    {
        foreach (PeerVolume peer in volume.Peers)
        {
            peer.Source = null;
            peer.Target = null;
            peer.IsReplicating = false;
            if (peer.State != ReplicationState.Off)
                peer.State = ReplicationState.Established;
        }

        writes.DiskFailed(volume);
    }

    /// <summary>A metadata write is over.</summary>
    public void MetadataWritten(MetadataWrite write, DiskResult result)
    {
        Volume volume = context.Volumes[write.Volume.Value];
        volume.MetadataWrites--;
        if (result.IsOk)
            write.OnDurable?.Invoke();
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
                case ChangeOrigin.ResyncRead:
                    source.StartRead(request);
                    break;
                case ChangeOrigin.ResyncWrite:
                    target.StartWrite(request);
                    break;
                case ChangeOrigin.ResyncCompare:
                    target.StartCompare(request);
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
