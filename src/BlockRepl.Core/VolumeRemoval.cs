using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// A volume leaves a resource that stays up. What clients wrote is made stable on both nodes first; then the connection is made anew, without the volume, in the same event in which it leaves the
/// table, so that no frame of it can come any more; then its disk is left clean, as by an orderly shutdown (hard part 6). One at a time.
/// </summary>
internal sealed class VolumeRemoval(ResourceContext context, WritePath writes, LocalDisk disk, Connections connections, Attachment attachment)
{
    // A peer that does not answer is not waited for longer: its part becomes marks.
    private const long PatienceMs = 3_000;

    private Volume? _volume;
    private Step _step;
    private object? _cookie;
    private long _deadlineMs;
    private bool _failed;

    private enum Step
    {
        Drain,
        Settle,
        Flush,
        Persist,
    }

    public bool IsBusy => _volume is not null;

    /// <summary>Begins. Clients are the edge's to send away first; what they asked for before that is still done.</summary>
    public void Start(VolumeNr nr, object? cookie)
    {
        Volume volume = context.Volumes[nr.Value];
        if (IsBusy || !context.Volumes.Exists(present => present == volume))
        {
            context.CompleteCommand(cookie, CommandResult.Refused(
                $"{context.Settings.Name}/{volume.Name}: {(IsBusy ? "another volume is being removed" : "it is not there any more")}", "look at status"));
            return;
        }

        _volume = volume;
        _cookie = cookie;
        _failed = false;
        _deadlineMs = context.NowMs + PatienceMs;
        _step = Step.Drain;
        Advance();
    }

    /// <summary>Takes the next step if it is due. Called after every event.</summary>
    public void Advance()
    {
        if (_volume is not { } volume)
            return;
        switch (_step)
        {
            case Step.Drain when context.NowMs < _deadlineMs && volume.HasDisk && !IsDrained(volume):
                if (context.Role == Role.Primary && !volume.HasClientChanges)
                    writes.SendOwnBarrier(volume);
                break;
            case Step.Drain:
                Leave(volume);
                break;
            case Step.Settle when IsSettled(volume):
                _step = Step.Flush;
                Flush(volume);
                break;
            case Step.Persist when volume.MetadataWrites == 0:
                Finish(volume);
                break;
            default:
                break;
        }
    }

    // On a Secondary nothing has to be waited for: what is unstable here the Primary still remembers.
    private bool IsDrained(Volume volume) => context.Role != Role.Primary
        || (!volume.HasClientChanges && volume.IsQuiet && !volume.OwnBarrierInFlight
            && Array.TrueForAll(volume.Peers, static peer => !peer.IsReplicating || (peer.Unstable.Count == 0 && peer.AwaitingStable.Count == 0)));

    private void Leave(Volume volume)
    {
        _step = Step.Settle;
        foreach (Peer peer in context.Peers)
            connections.Renegotiate(peer, $"{volume.Name} was removed on {context.Settings.NodeName}");

        // What else hangs on it ends as if a peer were lost: marks, and resyncs that stop.
        foreach (PeerVolume peer in volume.Peers)
        {
            peer.IsMatched = false;
            peer.State = ReplicationState.Off;
        }

        context.Volumes.Remove(volume);
        context.StateChanged = true;
        Advance();
    }

    private static bool IsSettled(Volume volume) => !volume.HasDisk
        || (volume.IsQuiet && !volume.HasClientChanges && volume.MetadataWrites == 0 && volume.Flushes.IsIdle && !volume.OwnBarrierInFlight);

    private void Flush(Volume volume)
    {
        if (!volume.HasDisk)
        {
            _failed = volume.Disk != DiskState.Diskless;
            _step = Step.Persist;
            Advance();
            return;
        }

        disk.Flush(volume, FlushWaiter.ForAction(result =>
        {
            _failed |= !result.IsOk;
            if (result.IsOk)
                Persist(volume);
            else
                _step = Step.Persist;
        }));
    }

    private void Persist(Volume volume)
    {
        _step = Step.Persist;
        volume.ActivityLog!.Clear();
        volume.Superblock = volume.Superblock! with
        {
            Flags = volume.Superblock.Flags & ~SuperblockFlags.PrimaryIndicator | SuperblockFlags.CleanShutdown,
        };
        var log = new MetadataWrite
        {
            Volume = volume.Nr,
            ActivityLog = volume.ActivityLog.Snapshot(),
            ActivityLogTransaction = ++volume.ActivityLog.Transaction,
            OnFailed = () => _failed = true,
        };
        foreach (PeerVolume peer in volume.Peers)
            log.Bitmaps.Add(new BitmapRange(peer.Slot, peer.Bitmap!, 0, peer.Bitmap!.BlockCount));
        context.WriteMetadata(volume, log);
        context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock, OnFailed = () => _failed = true });
    }

    private void Finish(Volume volume)
    {
        if (volume.Disk != DiskState.Diskless)
            context.Effects.Add(EffectKind.DetachDisk).Volume = volume.Nr;
        attachment.Forget(volume);
        _volume = null;
        object? cookie = _cookie;
        _cookie = null;
        string name = $"{context.Settings.Name}/{volume.Name}";
        context.Log($"{name}: removed{(_failed ? ", not in good order" : "")}");
        context.CompleteCommand(cookie, _failed
            ? CommandResult.Failed($"{name} is removed, but its disk failed on the way", "see the log; what is open is resynced when it is attached again")
            : CommandResult.Ok);
    }
}
