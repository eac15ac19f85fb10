using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>
/// Where each section of a volume's metadata stands. A function of the device's size and the two counts alone, so that
/// nothing on disk has to be trusted to find the rest. docs/disk-format.md draws it and says why.
/// </summary>
/// <remarks>
/// Offsets are on the device that holds the metadata: the disk itself (internal) or the metadata's own device
/// (external).
/// </remarks>
public sealed record MetadataLayout
{
    /// <summary>Bytes of one superblock copy.</summary>
    public const int SuperblockBytes = Block.Size;

    /// <summary>
    /// The two superblock copies stand at the two ends of a span of this size, so that what clobbers the end of a disk
    /// (a GPT backup takes 16.5 KiB, an md superblock 12 KiB) leaves one of them.
    /// </summary>
    public const int SuperblockSpanBytes = 256 << 10;

    /// <summary>Transactions that the activity log's ring holds before it overwrites the oldest.</summary>
    public const int ActivityLogPlaces = 4;

    /// <summary>Copies of each transaction.</summary>
    public const int ActivityLogCopies = 2;

    private MetadataLayout()
    {
    }

    /// <summary>Whether the metadata stands behind the data or on its own.</summary>
    public required MetadataKind Kind { get; init; }

    /// <summary>Bytes of the data area, from offset 0 of the disk; a multiple of 4096 if internal.</summary>
    public required long DataBytes { get; init; }

    /// <summary>Peer slots, each with a bitmap.</summary>
    public required int PeerSlots { get; init; }

    /// <summary>Places in an activity log transaction.</summary>
    public required int ActivityLogExtents { get; init; }

    /// <summary>First byte of all metadata.</summary>
    public required long MetadataOffset { get; init; }

    /// <summary>Bytes of all metadata.</summary>
    public required long MetadataBytes { get; init; }

    /// <summary>Offset of superblock copy 0, the one nearest to the rest of the metadata's device start.</summary>
    public required long SuperblockOffset0 { get; init; }

    /// <summary>Offset of superblock copy 1.</summary>
    public long SuperblockOffset1 => SuperblockOffset0 + SuperblockSpanBytes - SuperblockBytes;

    /// <summary>First byte of the activity log's ring.</summary>
    public required long ActivityLogOffset { get; init; }

    /// <summary>First byte of slot 0's bitmap; the others follow.</summary>
    public required long BitmapsOffset { get; init; }

    /// <summary>4 KiB blocks that each slot's bitmap takes up.</summary>
    public required long BitmapBlocksPerSlot { get; init; }

    /// <summary>Blocks of data, the last one possibly partial.</summary>
    public long DataBlocks => Block.CountFor(DataBytes);

    /// <summary>Bytes of one copy of an activity log transaction.</summary>
    public int ActivityLogTransactionBytes => ActivityLogBytesFor(ActivityLogExtents);

    /// <summary>Bytes of the whole ring.</summary>
    public long ActivityLogRingBytes => (long)ActivityLogTransactionBytes * ActivityLogCopies * ActivityLogPlaces;

    /// <summary>First byte after all metadata: the smallest metadata device that holds it.</summary>
    public long MetadataEnd => MetadataOffset + MetadataBytes;

    /// <summary>Offset of superblock copy 0 or 1.</summary>
    public long SuperblockOffset(int copy)
    {
        Check.That(copy is 0 or 1);
        return copy == 0 ? SuperblockOffset0 : SuperblockOffset1;
    }

    /// <summary>
    /// Offset of the place of <paramref name="transaction"/>: its two copies stand there side by side, so that one durable
    /// write carries both.
    /// </summary>
    public long ActivityLogPlaceOffset(ulong transaction) =>
        ActivityLogOffset + (long)(transaction % ActivityLogPlaces) * ActivityLogTransactionBytes * ActivityLogCopies;

    /// <summary>Offset of bitmap block <paramref name="index"/> of <paramref name="peerSlot"/>.</summary>
    public long BitmapBlockOffset(int peerSlot, long index)
    {
        Check.That((uint)peerSlot < (uint)PeerSlots && (ulong)index < (ulong)BitmapBlocksPerSlot, "bitmap block out of range");
        return BitmapsOffset + (peerSlot * BitmapBlocksPerSlot + index) * Block.Size;
    }

    /// <summary>
    /// Metadata at the end of a disk of <paramref name="diskBytes"/>; <c>null</c> if no data would be left beside it. Up to
    /// 4095 bytes at the very end stay unused.
    /// </summary>
    public static MetadataLayout? ForInternal(long diskBytes, int peerSlots, int activityLogExtents)
    {
        CheckCounts(peerSlots, activityLogExtents);
        Check.That(diskBytes >= 0);
        long end = diskBytes & ~(long)(Block.Size - 1);
        // Sized for the whole disk rather than for what is left of it: at most 0.003 % more, and no equation to solve.
        long perSlot = BitmapBlocksFor(end);
        long ring = RingBytesFor(activityLogExtents);
        long total = checked(perSlot * peerSlots * Block.Size + ring + SuperblockSpanBytes);
        if (total >= end)
            return null;
        long start = end - total;
        return new MetadataLayout
        {
            Kind = MetadataKind.Internal,
            DataBytes = start,
            PeerSlots = peerSlots,
            ActivityLogExtents = activityLogExtents,
            MetadataOffset = start,
            MetadataBytes = total,
            BitmapsOffset = start,
            BitmapBlocksPerSlot = perSlot,
            ActivityLogOffset = end - SuperblockSpanBytes - ring,
            SuperblockOffset0 = end - SuperblockSpanBytes,
        };
    }

    /// <summary>Metadata from offset 0 of its own device, for a disk with <paramref name="dataBytes"/> of data (any number).</summary>
    public static MetadataLayout ForExternal(long dataBytes, int peerSlots, int activityLogExtents)
    {
        CheckCounts(peerSlots, activityLogExtents);
        Check.That(dataBytes >= 0);
        long perSlot = BitmapBlocksFor(dataBytes);
        long ring = RingBytesFor(activityLogExtents);
        return new MetadataLayout
        {
            Kind = MetadataKind.External,
            DataBytes = dataBytes,
            PeerSlots = peerSlots,
            ActivityLogExtents = activityLogExtents,
            MetadataOffset = 0,
            MetadataBytes = checked(SuperblockSpanBytes + ring + perSlot * peerSlots * Block.Size),
            SuperblockOffset0 = 0,
            ActivityLogOffset = SuperblockSpanBytes,
            BitmapsOffset = SuperblockSpanBytes + ring,
            BitmapBlocksPerSlot = perSlot,
        };
    }

    /// <summary>
    /// Offset of superblock copy 0 on a device of which only kind and size are known, or -1 if the device is too small to
    /// hold the two copies.
    /// </summary>
    public static long FindSuperblock0(MetadataKind kind, long deviceBytes)
    {
        long end = deviceBytes & ~(long)(Block.Size - 1);
        if (end < SuperblockSpanBytes)
            return -1;
        return kind == MetadataKind.Internal ? end - SuperblockSpanBytes : 0;
    }

    /// <summary>Bytes of one copy of a transaction with <paramref name="extents"/> places.</summary>
    public static int ActivityLogBytesFor(int extents) =>
        (ActivityLogCodec.HeaderBytes + extents * sizeof(uint) + Block.Size - 1) & ~(Block.Size - 1);

    private static long RingBytesFor(int extents) =>
        (long)ActivityLogBytesFor(extents) * ActivityLogCopies * ActivityLogPlaces;

    private static long BitmapBlocksFor(long dataBytes)
    {
        long blocks = Block.CountFor(dataBytes);
        return blocks / BitmapBlockCodec.BitsPerBlock + (blocks % BitmapBlockCodec.BitsPerBlock != 0 ? 1 : 0);
    }

    private static void CheckCounts(int peerSlots, int activityLogExtents)
    {
        Check.That(peerSlots is >= 1 and <= Superblock.PeerSlotsMax, "peer slots out of range");
        Check.That(
            activityLogExtents is >= Superblock.ActivityLogExtentsMin and <= Superblock.ActivityLogExtentsMax,
            "activity log extents out of range");
    }
}
