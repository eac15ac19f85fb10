using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Bookkeeping of one resync on its target.</summary>
internal sealed class TargetJob(bool isFull, long nowMs)
{
    private readonly Queue<(ulong Id, List<ByteRange> Ranges)> _checkpoints = new();
    private List<ByteRange> _written = [];

    public bool IsFull { get; } = isFull;

    public long StartedMs { get; } = nowMs;

    /// <summary>Marked blocks when the resync began, as the source reported them.</summary>
    public long TotalBlocks { get; set; }

    /// <summary>Pieces that are written.</summary>
    public ulong PiecesWritten { get; set; }

    /// <summary>Pieces that the source was told of.</summary>
    public ulong PiecesTold { get; set; }

    /// <summary>Resync writes on their way to the disk.</summary>
    public int WritesInFlight { get; set; }

    /// <summary>A checkpoint was received that waits for <see cref="WritesInFlight"/> to reach zero.</summary>
    public Queue<ulong> AwaitingWrites { get; } = new();

    public void NoteWritten(ByteRange range) => _written.Add(range);

    /// <summary>The source drew a line: what was written until here is cleared together.</summary>
    public void NoteCheckpoint(ulong id)
    {
        _checkpoints.Enqueue((id, _written));
        _written = [];
    }

    /// <summary>The ranges of a checkpoint that the source has cleared; null if it is not the oldest one.</summary>
    public List<ByteRange>? TakeCleared(ulong id)
    {
        if (!_checkpoints.TryPeek(out (ulong Id, List<ByteRange> Ranges) oldest) || oldest.Id != id)
            return null;
        _checkpoints.Dequeue();
        return oldest.Ranges;
    }
}
