using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>A piece of resync data on its way from the source's disk to the target's.</summary>
public sealed class ResyncChunk
{
    /// <summary>The volume, in this node's numbering.</summary>
    public required VolumeNr Volume { get; init; }

    /// <summary>The bytes; block-aligned but for the end of a volume.</summary>
    public required ByteRange Range { get; init; }

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

    /// <summary>The link that it belongs to.</summary>
    public LinkId Link { get; init; }
}
