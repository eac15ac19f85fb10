using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// One durable step of a volume's metadata. The parts are written in the order bitmap, superblock, activity log: a mark is durable before the
/// generation that relies on it, and an extent leaves the log only after its marks are durable (G8).
/// </summary>
public sealed class MetadataWrite
{
    /// <summary>The volume.</summary>
    public required VolumeNr Volume { get; init; }

    /// <summary>Ranges of bitmaps to write, possibly none. The bits are read when the write is carried out: newer marks may come along, never fewer.</summary>
    public List<BitmapRange> Bitmaps { get; } = [];

    /// <summary>The superblock to write, if any.</summary>
    public Superblock? Superblock { get; internal set; }

    /// <summary>The whole activity log to write, if any: an extent number a slot.</summary>
    public uint[]? ActivityLog { get; internal set; }

    /// <summary>Number of the activity-log transaction.</summary>
    public ulong ActivityLogTransaction { get; internal set; }

    /// <summary>What Core does when it is durable.</summary>
    internal Action? OnDurable { get; set; }

    /// <summary>What Core does when it could not be written, besides giving the disk up.</summary>
    internal Action? OnFailed { get; set; }

    /// <summary>Its disk was given up: its completion means nothing any more.</summary>
    internal bool IsLate { get; set; }

    internal bool IsEmpty => Bitmaps.Count == 0 && Superblock is null && ActivityLog is null;
}
