using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Bookkeeping of one comparison on the side that sends the digests.</summary>
internal sealed class VerifyJob(ulong id, VerifyConditions conditions, ByteRange range, bool repair, string evidence, long nowMs)
{
    /// <summary>Ranges on the way while the application leaves the volume alone; each holds back writes to it while it is read.</summary>
    public const int WindowIdle = 4;

    /// <summary>The same while the application writes: the comparison yields.</summary>
    public const int WindowBusy = 1;

    private ulong _lastNumber;

    public ulong Id { get; } = id;

    public VerifyConditions Conditions { get; } = conditions;

    public ByteRange Range { get; } = range;

    public bool Repair { get; } = repair;

    public string Evidence { get; } = evidence;

    public long StartedMs { get; } = nowMs;

    /// <summary>First byte that has not been taken up.</summary>
    public long Position { get; set; } = range.Offset;

    /// <summary>Ranges being read or awaiting their answer.</summary>
    public List<VerifyChunk> InFlight { get; } = new(WindowIdle);

    /// <summary>Ranges that differed once.</summary>
    public Queue<ByteRange> Recheck { get; } = new();

    public VerifyTally Found { get; } = new();

    /// <summary>Marks on their way to disk.</summary>
    public int MarksPending { get; set; }

    /// <summary>The second half: what differs is written over. Null before that.</summary>
    public VerifyRepairJob? Repairing { get; set; }

    public long RepairedBlocks { get; set; }

    /// <summary>Stream position when the last range was taken up: if it has moved, the application writes.</summary>
    public SequenceNumber LastSequence { get; set; }

    public bool IsAllCompared => Position >= Range.End && InFlight.Count == 0 && Recheck.Count == 0 && MarksPending == 0;

    /// <summary>Up to where everything is compared and, if different, confirmed.</summary>
    public long DonePosition
    {
        get
        {
            long done = Position;
            foreach (VerifyChunk chunk in InFlight)
                done = Math.Min(done, chunk.Range.Offset);
            foreach (ByteRange range in Recheck)
                done = Math.Min(done, range.Offset);
            return done;
        }
    }

    public ulong NextNumber() => ++_lastNumber;

    public VerifyChunk? Find(ulong number) => InFlight.Find(chunk => chunk.Number == number);

    public VerifyReport Report(long endedMs, string detail) => new()
    {
        IsRunning = endedMs == 0,
        IsRepairing = Repairing is not null && endedMs == 0,
        IsComplete = endedMs != 0 && detail.Length == 0,
        IsSource = true,
        StartBytes = Range.Offset,
        StopBytes = Range.End,
        PositionBytes = DonePosition,
        DifferentBlocks = Found.Blocks,
        RepairedBlocks = RepairedBlocks,
        Ranges = Found.Ranges,
        StartedMs = StartedMs,
        EndedMs = endedMs,
        Detail = detail,
        Evidence = Evidence,
    };
}
