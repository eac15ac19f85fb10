using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Bookkeeping of one comparison on the side that receives the digests.</summary>
internal sealed class VerifyTargetJob(ulong id, VerifyConditions conditions, ByteRange range, string evidence, long nowMs)
{
    /// <summary>Ranges that the other side may have on the way: more is no comparison but an attack on this node's memory (G14).</summary>
    public const int ChunksMax = 64;

    public ulong Id { get; } = id;

    public VerifyConditions Conditions { get; } = conditions;

    /// <summary>Ranges being read or held back.</summary>
    public int Reading { get; set; }

    /// <summary>Where the newest range ended.</summary>
    public long Position { get; set; } = range.Offset;

    /// <summary>What follows as resync data is the repair.</summary>
    public bool IsRepairing { get; set; }

    /// <summary>Blocks that the repair has written here; null before it does.</summary>
    public DirtyBitmap? Repaired { get; set; }

    /// <summary>Writes of the repair on their way to the disk.</summary>
    public int WritesInFlight { get; set; }

    /// <summary>A flush that the other side asked for and that waits for <see cref="WritesInFlight"/> to reach zero; zero: none.</summary>
    public ulong AwaitedFlush { get; set; }

    public VerifyReport Report(long endedMs, string detail, VerifyControlMessage? end = null) => new()
    {
        IsRunning = endedMs == 0,
        IsRepairing = IsRepairing && endedMs == 0,
        IsComplete = endedMs != 0 && detail.Length == 0,
        StartBytes = range.Offset,
        StopBytes = range.End,
        PositionBytes = end is null ? Position : end.Position,
        DifferentBlocks = end?.Different ?? 0,
        RepairedBlocks = end?.Repaired ?? 0,
        Ranges = end?.Ranges ?? [],
        StartedMs = nowMs,
        EndedMs = endedMs,
        Detail = detail,
        Evidence = evidence,
    };
}
