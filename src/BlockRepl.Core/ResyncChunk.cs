using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>A piece of resync data on its way from the source's disk to the target's.</summary>
public sealed class ResyncChunk
{
    /// <summary>Bytes of one piece of data.</summary>
    public const int DataBytesMax = 256 << 10;

    /// <summary>The volume, in this node's numbering.</summary>
    public required VolumeNr Volume { get; init; }

    /// <summary>
    /// The bytes; block-aligned but for the end of a volume. The edge may cut the end off when it reads: the rest is read later.
    /// </summary>
    public required ByteRange Range { get; set; }

    /// <summary>
    /// The range is expected to lie in a hole and may be large. If its begin does, the edge cuts <see cref="Range"/> down to the hole and reads nothing; otherwise it cuts it down to
    /// <see cref="DataBytesMax"/> and reads that.
    /// </summary>
    public bool IsExpectedHole { get; init; }

    /// <summary>Set by the edge: the disk says that from the range's begin up to here it is one hole. Zero if it is none, or the disk cannot tell.</summary>
    public long HoleEnd { get; set; }

    /// <summary>The data; null when <see cref="IsZeroes"/>.</summary>
    public BlockBuffer? Buffer { get; set; }

    /// <summary>Where in <see cref="Buffer"/> the data begins.</summary>
    public int BufferOffset { get; set; }

    /// <summary>The range reads as zeroes; no data travels (I13, thin resync).</summary>
    public bool IsZeroes { get; set; }

    /// <summary>The range in runs of blocks that differ and that do not.</summary>
    internal IEnumerable<(ByteRange Range, bool Differs)> Runs(ulong different)
    {
        long blocks = Range.BlockCount;
        for (long first = 0; first < blocks;)
        {
            bool differs = (different >> (int)first & 1) != 0;
            long end = first + 1;
            while (end < blocks && (different >> (int)end & 1) != 0 == differs)
                end++;
            long offset = Range.Offset + (first << Block.Shift);
            yield return (new ByteRange(offset, Math.Min(Range.Offset + (end << Block.Shift), Range.End) - offset), differs);
            first = end;
        }
    }

    /// <summary>On the source: hashes are wanted, not data; the edge puts them into <see cref="Hashes"/>, unless the range reads as zeroes.</summary>
    public bool WantsHashes { get; init; }

    /// <summary>A hash a block (<see cref="Protocol.BlockHash"/>); on the target those of the source, to compare with.</summary>
    public byte[]? Hashes { get; set; }

    /// <summary>Set by the edge on the target: bit i when block i differs.</summary>
    public ulong Different { get; set; }

    /// <summary>Names a range that is compared.</summary>
    internal ulong Number { get; init; }

    /// <summary>How much it counts against what may be on the way, in bytes.</summary>
    internal long Weight { get; init; }

    /// <summary>When it was asked for (monotonic µs).</summary>
    internal long AskedUs { get; init; }

    /// <summary>The peer that it concerns.</summary>
    public PeerId Peer { get; init; }

    /// <summary>The repair at the end of a comparison that it belongs to; null for a resync.</summary>
    internal object? Repair { get; init; }

    /// <summary>Of a read for a Primary without a disk: names it in the answer.</summary>
    public ulong Id { get; init; }

    /// <summary>Stream position up to which the receiver's changes were applied here when the data was read; zero if the receiver is not Primary.</summary>
    public SequenceNumber Position { get; set; }

    /// <summary>The link that it belongs to.</summary>
    public LinkId Link { get; init; }
}
