using System.Collections.Immutable;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata;

/// <summary>The content of a volume's metadata at attach. The bitmaps are the caller's to change from here on.</summary>
public sealed record LoadedMetadata
{
    /// <summary>The newest intact superblock.</summary>
    public required Superblock Superblock { get; init; }

    /// <summary>Number of the newest intact activity log transaction; 0 if there is none. Writing goes on at the next one.</summary>
    public required ulong ActivityLogTransaction { get; init; }

    /// <summary>
    /// Extents that were active, in no order; every extent of the volume if no transaction is intact and the superblock does
    /// not tell of a clean shutdown (G8).
    /// </summary>
    public required ImmutableArray<uint> ActiveExtents { get; init; }

    /// <summary>
    /// One bitmap per peer slot, all bits set where the slot says full sync; <c>null</c> for a free slot, whose taker
    /// starts with everything set.
    /// </summary>
    public required ImmutableArray<DirtyBitmap?> Bitmaps { get; init; }

    /// <summary>What was found damaged and what that leads to, a sentence each, for the log (G10).</summary>
    public required ImmutableArray<string> Warnings { get; init; }

    /// <summary>Superblock copies that were not intact: 0 or 1. The next write mends it.</summary>
    public required int DamagedSuperblockCopies { get; init; }

    /// <summary>Copies of activity log transactions that were not intact.</summary>
    public required int DamagedActivityLogCopies { get; init; }

    /// <summary>A move of the metadata to the end of a grown disk that is to be finished with <see cref="MetadataGrowth.Finish"/>; null if there is none.</summary>
    internal Signpost? UnfinishedMove { get; init; }

    /// <summary>4 KiB blocks of bitmap that were not intact and were taken as all out-of-sync.</summary>
    public required long DamagedBitmapBlocks { get; init; }
}
