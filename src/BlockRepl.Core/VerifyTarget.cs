using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>The side of a comparison that receives digests: reads the same ranges at the same place of the stream, compares, answers; and takes a repair's data.</summary>
internal sealed class VerifyTarget(ResourceContext context, LocalDisk disk)
{
    /// <summary>The other side begins. Returns why not, or null.</summary>
    public string? Begin(PeerVolume peerVolume, VerifyControlMessage message)
    {
        if (VerifyConditions.Unfit(context, peerVolume) is { } unfit)
            return unfit;
        if (context.Role == Role.Primary)
            return $"{context.Settings.NodeName} is Primary: its own data counts";
        if (peerVolume.Verify is not null || peerVolume.VerifyTarget is not null)
            return $"{context.Settings.NodeName} is comparing {peerVolume.Volume.Name} already";
        if (message.Range.End > peerVolume.Volume.SizeBytes)
            return $"{peerVolume.Volume.Name} ends at {peerVolume.Volume.SizeBytes} bytes on {context.Settings.NodeName}";
        peerVolume.VerifyTarget = new VerifyTargetJob(
            message.Id, VerifyConditions.Of(context, peerVolume.Peer), message.Range, message.Text, context.NowMs);
        context.StateChanged = true;
        return null;
    }

    /// <summary>Digests of a range, at its place in the stream. Returns what is wrong with them, or null.</summary>
    public string? Range(PeerVolume peerVolume, VerifyRangeMessage message)
    {
        if (peerVolume.VerifyTarget is not { } job || job.Id != message.Id)
            return null;
        if (message.Range.End > peerVolume.Volume.SizeBytes)
            return $"a range to compare beyond the end of {peerVolume.Volume.Name}";
        if (job.Reading >= VerifyTargetJob.ChunksMax)
            return "too many ranges to compare at once";
        job.Reading++;
        job.Position = Math.Max(job.Position, message.Range.End);
        VerifyReads.Start(context, new VerifyChunk(peerVolume, job, message.Number, message.Range) { Expected = message.Digests });
        return null;
    }

    /// <summary>The range is read here as well.</summary>
    public void ReadCompleted(VerifyChunk chunk)
    {
        PeerVolume peerVolume = chunk.PeerVolume;
        VerifyTargetJob job = peerVolume.VerifyTarget!;
        job.Reading--;
        context.Send(peerVolume.Peer, new VerifyResultMessage(
            peerVolume.Volume.Nr, job.Id, chunk.Number, BlockDigest.Compare(chunk.Digests, chunk.Expected)));
    }

    /// <summary>What follows as resync data is the repair.</summary>
    public void BeginRepair(PeerVolume peerVolume, VerifyTargetJob job)
    {
        job.IsRepairing = true;
        peerVolume.RepairedOn = peerVolume.Peer.Link;
        context.StateChanged = true;
    }

    /// <summary>A piece of the repair. Takes a reference on the buffer. What comes after the comparison was stopped here has no effect: its marks are on the other side.</summary>
    public string? Data(PeerVolume peerVolume, ByteRange range, BlockBuffer? buffer, int bufferOffset, bool zeroes)
    {
        Volume volume = peerVolume.Volume;
        if (peerVolume.VerifyTarget is not { IsRepairing: true } job || job.Conditions.Broken(context, peerVolume) is not null)
            return null;
        if (range.Offset < 0 || range.Length <= 0 || range.Offset > volume.SizeBytes - range.Length)
            return $"repair data beyond the end of {volume.Name}";
        ChangeRequest request = context.RentRequest();
        request.Kind = zeroes ? ChangeKind.Zeroes : ChangeKind.Write;
        request.Origin = ChangeOrigin.ResyncWrite;
        request.Volume = volume.Nr;
        request.Range = range;
        request.Link = peerVolume.Peer.Link;
        request.Buffer = buffer?.AddReference();
        request.BufferOffset = bufferOffset;
        request.Chunk = new ResyncChunk { Volume = volume.Nr, Range = range, Peer = peerVolume.Peer.Id, Link = peerVolume.Peer.Link, Repair = job };
        job.WritesInFlight++;
        job.Repaired ??= new DirtyBitmap(peerVolume.Bitmap!.BlockCount);
        job.Repaired.Set(range.FirstBlock, range.BlockCount);
        if (volume.Active.TryStart(request))
            context.StartOnDisk(EffectKind.LocalChange, request);
        return null;
    }

    /// <summary>A piece of the repair is on the disk.</summary>
    public void Written(ChangeRequest request, DiskResult result)
    {
        PeerVolume peerVolume = context.Volumes[request.Volume.Value].Peers[request.Chunk!.Peer.Value];
        bool isCurrent = peerVolume.VerifyTarget is { } current && current == request.Chunk.Repair;
        context.ReturnRequest(request);
        if (!result.IsOk)
            disk.Fail(peerVolume.Volume, $"write for a repair failed: {result}");
        if (!isCurrent || peerVolume.VerifyTarget is not { } job)
            return;
        job.WritesInFlight--;
        FlushIfWritten(peerVolume, job);
    }

    /// <summary>The other side wants what it sent to be stable.</summary>
    public void Flush(PeerVolume peerVolume, VerifyTargetJob job, ulong flush)
    {
        job.AwaitedFlush = flush;
        FlushIfWritten(peerVolume, job);
    }

    /// <summary>The other side has come to the end.</summary>
    public void End(PeerVolume peerVolume, VerifyTargetJob job, VerifyControlMessage message, string detail)
    {
        peerVolume.VerifyTarget = null;
        peerVolume.LastVerify = job.Report(context.NowMs, detail, message);
        if (detail.Length == 0 && job.Repaired is { } repaired)
            ClearMarks(peerVolume, repaired);
        context.StateChanged = true;
        context.Log($"{Name(peerVolume)}: verify {(detail.Length == 0 ? "done" : $"stops: {detail}")}: {message.Different} blocks differ, {message.Repaired} repaired");
    }

    /// <summary>The comparison ends here before its time.</summary>
    public void Stop(PeerVolume peerVolume, VerifyTargetJob job, string why)
    {
        peerVolume.VerifyTarget = null;
        peerVolume.LastVerify = job.Report(context.NowMs, why);
        context.StateChanged = true;
        context.Log($"{Name(peerVolume)}: verify stops: {why}");
        if (peerVolume.Peer.Link == job.Conditions.Link && peerVolume.Peer.IsConnected)
            context.Send(peerVolume.Peer, new VerifyControlMessage(peerVolume.Volume.Nr, VerifyAction.Stop, job.Id) { Text = why });
    }

    // What the other side has written over here is the same on both, stably: marks that an earlier comparison left on this side speak of what is gone.
    private void ClearMarks(PeerVolume peerVolume, DirtyBitmap repaired)
    {
        var write = new MetadataWrite { Volume = peerVolume.Volume.Nr };
        for (long block = repaired.FindNextSet(0); block >= 0; block = block + 1 < repaired.BlockCount ? repaired.FindNextSet(block + 1) : -1)
        {
            if (peerVolume.Bitmap!.Clear(block, 1) > 0)
                write.Bitmaps.Add(new BitmapRange(peerVolume.Slot, peerVolume.Bitmap, block, 1));
        }

        if (!write.IsEmpty)
            context.WriteMetadata(peerVolume.Volume, write);
    }

    private void FlushIfWritten(PeerVolume peerVolume, VerifyTargetJob job)
    {
        if (job.AwaitedFlush == 0 || job.WritesInFlight > 0)
            return;
        ulong flush = job.AwaitedFlush;
        job.AwaitedFlush = 0;
        disk.Flush(peerVolume.Volume, FlushWaiter.ForAction(result =>
        {
            if (result.IsOk && peerVolume.VerifyTarget == job && job.Conditions.Broken(context, peerVolume) is null)
                context.Send(peerVolume.Peer, new VerifyControlMessage(peerVolume.Volume.Nr, VerifyAction.Flushed, job.Id) { Flush = flush });
        }));
    }

    private string Name(PeerVolume peerVolume) => $"{context.Settings.Name}/{peerVolume.Volume.Name}@{peerVolume.Peer.Name}";
}
