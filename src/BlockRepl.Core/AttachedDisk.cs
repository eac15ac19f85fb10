using System.Collections.Immutable;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What was found on a disk that is being attached.</summary>
/// <param name="Superblock">The newest valid superblock.</param>
/// <param name="ActiveExtents">Extents in the activity log.</param>
/// <param name="Transaction">Number of the newest activity-log transaction.</param>
/// <param name="Bitmaps">The dirty bitmap of each peer slot; Core owns them from now on.</param>
/// <param name="DataBytes">Bytes that the disk holds now.</param>
/// <param name="BootId">This boot's id.</param>
public sealed record AttachedDisk(
    Superblock Superblock,
    ImmutableArray<uint> ActiveExtents,
    ulong Transaction,
    ImmutableArray<DirtyBitmap> Bitmaps,
    long DataBytes,
    Guid BootId);
