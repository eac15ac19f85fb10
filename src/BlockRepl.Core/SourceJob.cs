using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Bookkeeping of one resync on its source: what is still to send, what is on the way, what may be cleared when.</summary>
internal sealed class SourceJob
{
    /// <summary>
    /// Bytes of one piece that is a hole on the source: a sparse TiB is 16384 of them. Small enough that a target that has to write the zeroes holds up
    /// overlapping changes for less than a second.
    /// </summary>
    public const long HoleBytes = 64L << 20;

    /// <summary>Pieces being read or waiting for room on the link.</summary>
    public const int ReadsMax = 8;

    // Zeroes count for so much less than data where it matters how much is on the way or not yet stable.
    private const int ZeroesWeight = 32;

    /// <summary>Bytes after which a checkpoint is taken: both disks are flushed once for so much data.</summary>
    public const long CheckpointBytes = 32L << 20;

    /// <summary>A slow resync takes a checkpoint after so long, so that what it has done is kept if it is cut, and shows.</summary>
    private const long CheckpointMs = 2_000;

    private readonly Queue<Checkpoint> _checkpoints = new();
    private List<ByteRange> _sentSinceCheckpoint = [];
    private long _bytesSinceCheckpoint;
    private ulong _lastCheckpoint;
    private ByteRange _hole;
    private readonly Queue<(long Weight, long AskedUs)> _sent = new();
    private ulong _written;
    private long _oldestSentMs;

    public SourceJob(DirtyBitmap dirty, GenerationId generation, bool isFull, long nowMs)
    {
        Generation = generation;
        IsFull = isFull;
        StartedMs = nowMs;
        TotalBlocks = dirty.SetCount;
        ToSend = new DirtyBitmap(dirty.BlockCount);
        ToSend.Or(dirty);
    }

    /// <summary>A stretch of the resync that becomes clean as a whole: when both sides have flushed.</summary>
    public sealed class Checkpoint(ulong id, List<ByteRange> ranges, long bytes)
    {
        public ulong Id { get; } = id;

        public List<ByteRange> Ranges { get; } = ranges;

        public long Bytes { get; } = bytes;

        public bool IsStableHere { get; set; }

        public bool IsStableThere { get; set; }
    }

    /// <summary>The generation that the target carries while it is being resynced.</summary>
    public GenerationId Generation { get; }

    public bool IsFull { get; }

    public long StartedMs { get; }

    /// <summary>Marked blocks when the resync began.</summary>
    public long TotalBlocks { get; }

    /// <summary>Marked blocks whose current content has not been read for this resync. A mark that lands while the resync runs is added (I5).</summary>
    public DirtyBitmap ToSend { get; }

    /// <summary>Where the search for the next block goes on.</summary>
    public long Position { get; set; }

    /// <summary>The target has durably become Inconsistent: data may flow.</summary>
    public bool IsBegun { get; set; }

    public int ReadsInFlight { get; set; }

    /// <summary>Weight of the pieces being read, on the link, or being written by the target.</summary>
    public long OnTheWayBytes { get; private set; }

    /// <summary>How the marks that are left become fewer.</summary>
    public ResyncRate Rate { get; } = new();

    /// <summary>Bytes found equal by checksum and not sent.</summary>
    public long EqualBytes { get; private set; }

    /// <summary>Bytes sent as zeroes, without data.</summary>
    public long ZeroBytes { get; private set; }

    /// <summary>Bytes sent whose checkpoint is not complete.</summary>
    public long UnconfirmedBytes { get; private set; }

    /// <summary>The end has been announced to the target.</summary>
    public bool IsEnding { get; set; }

    /// <summary>Pieces are compared by hash before they are sent.</summary>
    public bool Compares { get; init; }

    /// <summary>Pieces whose hashes are with the target.</summary>
    public Dictionary<ulong, ResyncChunk> Comparing { get; } = [];

    /// <summary>Ranges that the target found different: to be sent as data, next.</summary>
    public Queue<ByteRange> Different { get; } = new();

    /// <summary>The target has something to answer.</summary>
    public bool OwesAnswer => UnconfirmedBytes > 0 || Comparing.Count > 0;

    /// <summary>Whether something is left to read.</summary>
    public bool HasMore => ToSend.SetCount > 0 || Different.Count > 0;

    /// <summary>Nothing is left to send, on the way, or unconfirmed.</summary>
    public bool IsDone => !HasMore && ReadsInFlight == 0 && Comparing.Count == 0 && _checkpoints.Count == 0 && _sentSinceCheckpoint.Count == 0;

    /// <summary>Ranges being read, or read and waiting for room on the link.</summary>
    public List<ByteRange> Reading { get; } = new(ReadsMax);

    /// <summary>A mark that landed while the resync runs: its block is sent again.</summary>
    public void NoteMark(long firstBlock, long count)
    {
        ToSend.Set(firstBlock, count);

        // Before the target takes part nothing was read yet.
        HasBlocksMarkedAgain |= IsBegun;
    }

    /// <summary>Some mark has landed while data was on the way: <see cref="IsSentAgain"/> must be asked.</summary>
    public bool HasBlocksMarkedAgain { get; private set; }

    /// <summary>A piece is being read.</summary>
    public void NoteReading(ResyncChunk chunk) => OnTheWayBytes += chunk.Weight;

    /// <summary>A piece was read and will not be sent.</summary>
    public void NoteNotSent(ResyncChunk chunk) => OnTheWayBytes -= chunk.Weight;

    /// <summary>
    /// The target has written so many pieces since the resync began. <paramref name="bytes"/>: what is no longer on the way; <paramref name="tookUs"/>: how long the newest of them took since it
    /// was asked for. Pieces may be done in another order than sent, so which one that was is not exactly known. False if so many were not sent.
    /// </summary>
    public bool TryNoteWritten(ulong pieces, long nowUs, out long bytes, out long tookUs)
    {
        bytes = tookUs = 0;
        for (; _written < pieces; _written++)
        {
            if (!_sent.TryDequeue(out (long Weight, long AskedUs) piece))
                return false;
            bytes += piece.Weight;
            tookUs = Math.Max(1, nowUs - piece.AskedUs);
        }

        OnTheWayBytes -= bytes;
        return true;
    }

    /// <summary>
    /// The target has compared a piece. What is equal counts as sent; what differs is to be sent. False if no such piece was with it.
    /// </summary>
    public bool TryNoteCompared(ulong number, ulong different, long nowMs, out ResyncChunk chunk)
    {
        if (!Comparing.Remove(number, out chunk!))
            return false;
        OnTheWayBytes -= chunk.Weight;
        foreach ((ByteRange range, bool differs) in chunk.Runs(different))
        {
            if (differs)
            {
                Different.Enqueue(range);
                continue;
            }

            EqualBytes += range.Length;
            NoteToClear(range, Math.Max(Block.Size, range.Length / ZeroesWeight), nowMs);
        }

        return true;
    }

    /// <summary>A piece was sent to a target that does not say when it has written it.</summary>
    public void NoteSentBlindly(long nowUs) => TryNoteWritten(_written + 1, nowUs, out _, out _);

    /// <summary>Whether a block of a completed checkpoint is, or will be, sent again: its mark must stay (I5).</summary>
    public bool IsSentAgain(long block)
    {
        if (ToSend.IsSet(block))
            return true;
        var range = new ByteRange(block << Block.Shift, 1);
        foreach (ResyncChunk compared in Comparing.Values)
        {
            if (compared.Range.Overlaps(range))
                return true;
        }

        foreach (ByteRange different in Different)
        {
            if (different.Overlaps(range))
                return true;
        }

        bool again = Reading.Exists(other => other.Overlaps(range)) || _sentSinceCheckpoint.Exists(other => other.Overlaps(range));
        foreach (Checkpoint later in _checkpoints)
            again |= later.Ranges.Exists(other => other.Overlaps(range));
        return again;
    }

    /// <summary>What the disk said of the hole around a piece.</summary>
    public void NoteHole(ResyncChunk chunk) => _hole = new ByteRange(chunk.Range.Offset, Math.Max(0, chunk.HoleEnd - chunk.Range.Offset));

    /// <summary>Bytes of the hole that begins at an offset, as far as one piece may take them; zero if none is known there.</summary>
    public long HoleFrom(long offset) => offset >= _hole.Offset && offset < _hole.End ? Math.Min(HoleBytes, _hole.End - offset) : 0;

    public void NoteSent(ResyncChunk chunk, long nowMs)
    {
        ByteRange range = chunk.Range;
        bool isZeroes = chunk.IsZeroes;
        long weight = isZeroes ? Math.Max(Block.Size, range.Length / ZeroesWeight) : range.Length;
        _sent.Enqueue((chunk.Weight, chunk.AskedUs));
        if (isZeroes)
            ZeroBytes += range.Length;
        NoteToClear(range, weight, nowMs);
    }

    /// <summary>Starts a checkpoint if one is due, at the latest after <paramref name="bytesMax"/>: only checkpoints open the window again; null otherwise.</summary>
    public Checkpoint? TakeCheckpointIfDue(long bytesMax, bool isPaused, long nowMs)
    {
        bool nothingMore = (!HasMore || isPaused) && ReadsInFlight == 0 && Comparing.Count == 0 || nowMs - _oldestSentMs >= CheckpointMs;
        if (_sentSinceCheckpoint.Count == 0 || _bytesSinceCheckpoint < Math.Min(CheckpointBytes, bytesMax) && !nothingMore)
            return null;
        var checkpoint = new Checkpoint(++_lastCheckpoint, _sentSinceCheckpoint, _bytesSinceCheckpoint);
        _checkpoints.Enqueue(checkpoint);
        _sentSinceCheckpoint = [];
        _bytesSinceCheckpoint = 0;
        return checkpoint;
    }

    public Checkpoint? Find(ulong id)
    {
        foreach (Checkpoint checkpoint in _checkpoints)
        {
            if (checkpoint.Id == id)
                return checkpoint;
        }

        return null;
    }

    /// <summary>The oldest checkpoint if both sides are stable up to it; it is then forgotten here.</summary>
    public Checkpoint? TakeCompleted()
    {
        if (!_checkpoints.TryPeek(out Checkpoint? checkpoint) || !checkpoint.IsStableHere || !(checkpoint.IsStableThere || Canary.MarkClearedUnflushed))
            return null;
        _checkpoints.Dequeue();
        UnconfirmedBytes -= checkpoint.Bytes;
        return checkpoint;
    }

    private void NoteToClear(ByteRange range, long weight, long nowMs)
    {
        if (_sentSinceCheckpoint.Count == 0)
            _oldestSentMs = nowMs;
        _sentSinceCheckpoint.Add(range);
        _bytesSinceCheckpoint += weight;
        UnconfirmedBytes += weight;
    }
}
