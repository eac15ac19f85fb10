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
