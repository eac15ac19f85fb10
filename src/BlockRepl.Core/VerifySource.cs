using System.Numerics;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The side of a comparison that sends the digests: the Primary, if there is one. A range that differs is compared a second time, at a later point of the
/// stream, before it counts; then it is marked, durably, on this side alone, so that whatever resync comes next copies from here.
/// </summary>
/// <remarks>Flow: docs/peer-protocol.md, "Verify".</remarks>
internal sealed class VerifySource(ResourceContext context, VerifyRepair repair)
{
    // Bytes compared after which whoever watches is told.
    private const long TellBytes = 64L << 20;

    /// <summary>Set by <see cref="ResourceCore"/>: a comparison with this node as source is over and has found something.</summary>
    public Action<PeerVolume> OnDifferent { get; set; } = _ => { };

    /// <summary>Begins; the caller has made sure that the conditions hold.</summary>
    public void Begin(PeerVolume peerVolume, ulong id, ByteRange range, bool repairs, string evidence)
    {
        var job = new VerifyJob(id, VerifyConditions.Of(context, peerVolume.Peer), range, repairs, evidence, context.NowMs)
        {
            LastSequence = context.LastSequence,
        };
        peerVolume.Verify = job;
        context.StateChanged = true;
        context.Log($"{Name(peerVolume)}: verify begins, {range}{(repairs ? $", repairs from here: {evidence}" : "")}");
        context.Send(peerVolume.Peer, new VerifyControlMessage(peerVolume.Volume.Nr, VerifyAction.Begin, id)
        {
            Range = range,
            Repair = repairs,
            Text = evidence,
        });
    }

    /// <summary>Keeps the comparison going. Called after every event.</summary>
    public void Pump(PeerVolume peerVolume)
    {
        VerifyJob job = peerVolume.Verify!;
        if (job.Repairing is not null)
        {
            repair.Pump(peerVolume);
            if (VerifyRepair.IsDone(peerVolume))
                End(peerVolume, job);
            return;
        }

        int window = context.LastSequence == job.LastSequence ? VerifyJob.WindowIdle : VerifyJob.WindowBusy;
        while (job.InFlight.Count < window && TakeNext(job, out ByteRange range, out bool isRecheck))
        {
            job.LastSequence = context.LastSequence;
            var chunk = new VerifyChunk(peerVolume, job, job.NextNumber(), range) { IsRecheck = isRecheck };
            job.InFlight.Add(chunk);
            VerifyReads.Start(context, chunk);
        }

        if (!job.IsAllCompared)
            return;
        if (job.Repair && peerVolume.Bitmap!.SetCount > 0)
            repair.Begin(peerVolume);
        else
            End(peerVolume, job);
    }

    /// <summary>A range is read: its digests go into the stream before anything that overlaps it may start.</summary>
    public void ReadCompleted(VerifyChunk chunk)
    {
        PeerVolume peerVolume = chunk.PeerVolume;
        context.Send(peerVolume.Peer, new VerifyRangeMessage(
            peerVolume.Volume.Nr, peerVolume.Verify!.Id, chunk.Number, chunk.Range, chunk.Digests));
    }

    /// <summary>The other side has compared a range.</summary>
    public void Result(PeerVolume peerVolume, VerifyResultMessage message)
    {
        if (peerVolume.Verify is not { } job || job.Id != message.Id || job.Find(message.Number) is not { } chunk)
            return;
        job.InFlight.Remove(chunk);
        context.StateChanged |= chunk.Range.Offset % TellBytes == 0;
        for (ulong left = message.Different; left != 0;)
        {
            int first = BitOperations.TrailingZeroCount(left);
            int count = BitOperations.TrailingZeroCount(~(left >> first));
            left &= count + first >= 64 ? 0 : ulong.MaxValue << (first + count);
            long offset = chunk.Range.Offset + ((long)first << Block.Shift);
            long end = Math.Min(offset + ((long)count << Block.Shift), chunk.Range.End);
            if (end <= offset)
                continue;
            if (chunk.IsRecheck)
                Confirm(peerVolume, job, new ByteRange(offset, end - offset));
            else
                job.Recheck.Enqueue(new ByteRange(offset, end - offset));
        }
    }

    /// <summary>The comparison ends before its time.</summary>
    public void Stop(PeerVolume peerVolume, string why, bool tell)
    {
        VerifyJob job = peerVolume.Verify!;
        peerVolume.Verify = null;
        peerVolume.LastVerify = job.Report(context.NowMs, why);
        context.StateChanged = true;
        context.Log($"{Name(peerVolume)}: verify stops at {job.DonePosition} of {job.Range.End} bytes: {why}; {job.Found.Blocks} blocks differ so far");
        if (tell)
            context.Send(peerVolume.Peer, Final(peerVolume, job, VerifyAction.Stop, why));
        if (job.Found.Blocks > 0)
            OnDifferent(peerVolume);
    }

    private static bool TakeNext(VerifyJob job, out ByteRange range, out bool isRecheck)
    {
        isRecheck = job.Recheck.TryDequeue(out range);
        if (isRecheck)
            return true;
        long end = Math.Min(job.Position + VerifyChunk.BytesMax, job.Range.End);
        range = new ByteRange(job.Position, end - job.Position);
        job.Position = end;
        return range.Length > 0;
    }

    private static VerifyControlMessage Final(PeerVolume peerVolume, VerifyJob job, VerifyAction action, string text) =>
        new(peerVolume.Volume.Nr, action, job.Id)
        {
            Position = job.DonePosition,
            Different = job.Found.Blocks,
            Repaired = job.RepairedBlocks,
            Ranges = job.Found.Ranges,
            Text = text,
        };

    // It differed twice, at two points of the stream: it counts.
    private void Confirm(PeerVolume peerVolume, VerifyJob job, ByteRange range)
    {
        job.Found.Add(range);
        peerVolume.Mark(range);
        peerVolume.HasVerifyMarks = true;
        job.MarksPending++;
        context.StateChanged = true;
        var write = new MetadataWrite { Volume = peerVolume.Volume.Nr, OnDurable = () => job.MarksPending-- };
        write.Bitmaps.Add(new BitmapRange(peerVolume.Slot, peerVolume.Bitmap!, range.FirstBlock, range.BlockCount));
        context.WriteMetadata(peerVolume.Volume, write);
    }

    private void End(PeerVolume peerVolume, VerifyJob job)
    {
        peerVolume.Verify = null;
        peerVolume.LastVerify = job.Report(context.NowMs, "");
        context.StateChanged = true;
        context.Log($"{Name(peerVolume)}: verify done, {job.Range.Length} bytes in {context.NowMs - job.StartedMs} ms: "
            + $"{job.Found.Blocks} blocks differ, {job.RepairedBlocks} repaired");
        context.Send(peerVolume.Peer, Final(peerVolume, job, VerifyAction.End, ""));
        if (job.Found.Blocks > 0)
            OnDifferent(peerVolume);
    }

    private string Name(PeerVolume peerVolume) => $"{context.Settings.Name}/{peerVolume.Volume.Name}@{peerVolume.Peer.Name}";
}
