using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Bookkeeping of the repair at the end of a comparison, on the side whose data counts.</summary>
internal sealed class VerifyRepairJob
{
    /// <summary>Pieces being read.</summary>
    public const int ReadsMax = 2;

    /// <summary>Bytes sent after which both disks are flushed and the marks cleared.</summary>
    public const long FlushBytes = 16L << 20;

    private readonly List<ByteRange> _markedAgain = [];

    /// <summary>Where the search for the next mark goes on, in blocks.</summary>
    public long Cursor { get; set; }

    public int ReadsInFlight { get; set; }

    /// <summary>Sent and not yet stable on both sides.</summary>
    public List<ByteRange> Sent { get; } = [];

    public long SentBytes { get; set; }

    /// <summary>Number of the flush under way; zero: none.</summary>
    public ulong Flush { get; set; }

    public ulong LastFlush { get; set; }

    public bool IsStableHere { get; set; }

    public bool IsStableThere { get; set; }

    /// <summary>Nothing of it is on its way.</summary>
    public bool IsQuiet => ReadsInFlight == 0 && Sent.Count == 0 && Flush == 0;

    /// <summary>A mark that lands now is no older than what was read: it stays (I5).</summary>
    public void NoteMark(ByteRange range) => _markedAgain.Add(range);

    public bool IsMarkedAgain(long block)
    {
        var range = new ByteRange(block << Block.Shift, 1);
        return _markedAgain.Exists(marked => marked.Overlaps(range));
    }

    /// <summary>A flush is complete: what was marked before it will be sent again.</summary>
    public void Restart()
    {
        Flush = 0;
        IsStableHere = IsStableThere = false;
        Sent.Clear();
        SentBytes = 0;
        if (_markedAgain.Count == 0)
            return;
        _markedAgain.Clear();
        Cursor = 0;
    }
}
