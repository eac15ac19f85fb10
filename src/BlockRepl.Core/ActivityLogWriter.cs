using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Writes activity-log transactions: one at a time a volume, so that extents wanted meanwhile share the next. The marks of an extent that leaves are durable before
/// the log without it is (G8).
/// </summary>
internal sealed class ActivityLogWriter(ResourceContext context, WritePath writes)
{
    private readonly List<uint> _evicted = [];

    /// <summary>Writes the next activity-log transaction of a volume if one is due.</summary>
    public void Advance(Volume volume)
    {
        if (volume.ActivityLog is { HasWanted: true } log && !volume.ActivityLogWriting)
            Write(volume, log);
    }

    // Apart from its caller, which runs after every event, because a method with a closure over its parameters allocates when it is entered.
    private void Write(Volume volume, ActivityLog log)
    {
        _evicted.Clear();
        // On a Secondary that serves, the log stands in only for marks that are not durable yet, and those of an extent that leaves become so first.
        SequenceNumber stable = context.Role == Role.Primary ? volume.StableEverywhere() : new SequenceNumber(ulong.MaxValue);
        if (log.PlaceWanted(stable, _evicted) == 0)
        {
            // Every extent is in use or unstable: what is stable must grow first.
            if (context.Role == Role.Primary)
                writes.SendOwnBarrier(volume);
            return;
        }

        var write = new MetadataWrite
        {
            Volume = volume.Nr,
            ActivityLog = log.Snapshot(),
            ActivityLogTransaction = ++log.Transaction,
        };
        const int BlocksPerExtent = 1 << (ActivityLog.ExtentShift - Block.Shift);
        foreach (uint extent in _evicted)
        {
            foreach (PeerVolume peer in volume.Peers)
            {
                long first = (long)extent * BlocksPerExtent;
                long count = Math.Min(BlocksPerExtent, peer.Bitmap!.BlockCount - first);
                if (count > 0 && peer.Bitmap.CountSet(first, count) > 0 && !Canary.EvictedMarksNotWritten)
                    write.Bitmaps.Add(new BitmapRange(peer.Slot, peer.Bitmap, first, count));
            }
        }

        write.OnDurable = () =>
        {
            volume.ActivityLogWriting = false;
            log.MarkDurable(write.ActivityLog);
            writes.RetryAwaitingExtent(volume);
        };
        volume.ActivityLogWriting = true;
        context.WriteMetadata(volume, write);
    }
}
