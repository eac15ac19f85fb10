using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// Writes the marked blocks over on the other side while both stay UpToDate and every change is mirrored (docs/decisions/0030). A block is read while no change that overlaps it is
/// under way and is in the stream before anything newer (I4), so the other side, in stream order, only ever becomes more equal: there is no need to call it Inconsistent.
/// A mark is cleared when a flush on both sides covers the block (hard part 4). While an operator holds I/O nothing is written: snapshots may be under way (I19).
/// </summary>
internal sealed class VerifyRepair(ResourceContext context, FreezeRecord freeze, LocalDisk disk)
{
    /// <summary>Everything is compared and something is marked: the other side is told what the data that follows is.</summary>
    public void Begin(PeerVolume peerVolume)
    {
        VerifyJob job = peerVolume.Verify!;
        job.Repairing = new VerifyRepairJob();
        context.StateChanged = true;
        context.Send(peerVolume.Peer, new VerifyControlMessage(peerVolume.Volume.Nr, VerifyAction.Repair, job.Id) { Text = job.Evidence });
        Pump(peerVolume);
    }

    /// <summary>Nothing is marked any more.</summary>
    public static bool IsDone(PeerVolume peerVolume) =>
        peerVolume.Verify?.Repairing is { ReadsInFlight: 0, Sent.Count: 0, Flush: 0 } && FindMark(peerVolume, 0) < 0;

    /// <summary>Reads what is marked, and asks for flushes. Called after every event.</summary>
    public void Pump(PeerVolume peerVolume)
    {
        VerifyJob job = peerVolume.Verify!;
        VerifyRepairJob repairing = job.Repairing!;
        if (repairing.Flush != 0)
            return;
        long block = freeze.Has(FreezeReason.User) ? -1 : FindMark(peerVolume, repairing.Cursor);
        if (block < 0 && repairing.IsQuiet && !freeze.Has(FreezeReason.User))
            block = FindMark(peerVolume, 0);
        while (block >= 0 && repairing.ReadsInFlight < VerifyRepairJob.ReadsMax && repairing.SentBytes < VerifyRepairJob.FlushBytes)
        {
            Read(peerVolume, repairing, block);
            block = FindMark(peerVolume, repairing.Cursor);
        }

        if (repairing.ReadsInFlight == 0 && repairing.Sent.Count > 0)
            Flush(peerVolume, job, repairing);
    }

    /// <summary>A piece is read: it goes into the stream before anything that overlaps it may start.</summary>
    public void ReadCompleted(ChangeRequest request, DiskResult result)
    {
        ResyncChunk chunk = request.Chunk!;
        PeerVolume peerVolume = context.Volumes[chunk.Volume.Value].Peers[chunk.Peer.Value];
        peerVolume.Volume.Active.Remove(request);
        bool isWanted = peerVolume.Verify?.Repairing is { } current && current == chunk.Repair;
        if (isWanted)
            peerVolume.Verify!.Repairing!.ReadsInFlight--;
        if (isWanted && result.IsOk)
        {
            VerifyRepairJob repairing = peerVolume.Verify!.Repairing!;
            repairing.Sent.Add(chunk.Range);
            repairing.SentBytes += chunk.Range.Length;

            // The reader may have cut the piece at the end of a hole.
            if (chunk.Range.End < request.Range.End)
                repairing.Cursor = Math.Min(repairing.Cursor, chunk.Range.End >> Block.Shift);
            ref Effect effect = ref context.Effects.Add(EffectKind.SendResyncData);
            effect.Peer = chunk.Peer;
            effect.Link = chunk.Link;
            effect.Volume = chunk.Volume;
            effect.Subject = chunk;
            peerVolume.Peer.LastSentMs = context.NowMs;
        }
        else
        {
            chunk.Buffer?.Release();
            if (!result.IsOk)
                disk.Fail(peerVolume.Volume, $"read at {chunk.Range.Offset} for a repair failed: {result}");
        }

        context.ReturnRequest(request);
    }

    /// <summary>The other side has flushed.</summary>
    public void Flushed(PeerVolume peerVolume, ulong flush)
    {
        if (peerVolume.Verify?.Repairing is not { } repairing || repairing.Flush != flush)
            return;
        repairing.IsStableThere = true;
        ClearIfStable(peerVolume, peerVolume.Verify, repairing);
    }

    // The bitmap covers this node's whole disk, the pair may serve less of it.
    private static long FindMark(PeerVolume peerVolume, long from)
    {
        long blocks = Block.CountFor(peerVolume.Volume.SizeBytes);
        long block = from < blocks ? peerVolume.Bitmap!.FindNextSet(from) : -1;
        return block < blocks ? block : -1;
    }

    private void Read(PeerVolume peerVolume, VerifyRepairJob repairing, long block)
    {
        Volume volume = peerVolume.Volume;
        long end = block + 1;
        while (end - block < BlockDigest.BlocksMax && end < peerVolume.Bitmap!.BlockCount && peerVolume.Bitmap.IsSet(end))
            end++;
        repairing.Cursor = end;
        repairing.ReadsInFlight++;
        long offset = block << Block.Shift;
        var range = new ByteRange(offset, Math.Min(end << Block.Shift, volume.SizeBytes) - offset);
        ChangeRequest request = context.RentRequest();
        request.Kind = ChangeKind.Write;
        request.Origin = ChangeOrigin.ResyncRead;
        request.Volume = volume.Nr;
        request.Range = range;
        request.Link = peerVolume.Peer.Link;
        request.Chunk = new ResyncChunk
        {
            Volume = volume.Nr,
            Range = range,
            Peer = peerVolume.Peer.Id,
            Link = peerVolume.Peer.Link,
            Repair = repairing,
        };
        if (volume.Active.TryStart(request))
            context.StartOnDisk(EffectKind.ResyncRead, request);
    }

    private void Flush(PeerVolume peerVolume, VerifyJob job, VerifyRepairJob repairing)
    {
        ulong flush = ++repairing.LastFlush;
        repairing.Flush = flush;
        context.Send(peerVolume.Peer, new VerifyControlMessage(peerVolume.Volume.Nr, VerifyAction.Flush, job.Id) { Flush = flush });
        disk.Flush(peerVolume.Volume, FlushWaiter.ForAction(result =>
        {
            if (!result.IsOk || peerVolume.Verify != job || repairing.Flush != flush)
                return;
            repairing.IsStableHere = true;
            ClearIfStable(peerVolume, job, repairing);
        }));
    }

    private void ClearIfStable(PeerVolume peerVolume, VerifyJob job, VerifyRepairJob repairing)
    {
        if (!repairing.IsStableHere || !repairing.IsStableThere)
            return;
        var write = new MetadataWrite { Volume = peerVolume.Volume.Nr };
        foreach (ByteRange range in repairing.Sent)
        {
            for (long block = range.FirstBlock, end = block + range.BlockCount; block < end; block++)
            {
                if (!repairing.IsMarkedAgain(block))
                    job.RepairedBlocks += peerVolume.Bitmap!.Clear(block, 1);
            }

            write.Bitmaps.Add(new BitmapRange(peerVolume.Slot, peerVolume.Bitmap!, range.FirstBlock, range.BlockCount));
        }

        repairing.Restart();
        context.StateChanged = true;
        context.WriteMetadata(peerVolume.Volume, write);
    }
}
