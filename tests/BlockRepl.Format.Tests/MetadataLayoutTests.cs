using BlockRepl.Primitives;

namespace BlockRepl.Format.Tests;

public sealed class MetadataLayoutTests
{
    private const long TiB = 1L << 40;

    [Theory]
    [InlineData(16L << 20, 1, 1237)]
    [InlineData((16L << 20) + 513, 1, 1237)]
    [InlineData(1L << 30, 8, 67)]
    [InlineData(64 * TiB, 8, 65534)]
    [InlineData(long.MaxValue, 8, 65534)]
    public void Internal_sections_are_in_order_aligned_and_do_not_overlap(long diskBytes, int slots, int extents)
    {
        MetadataLayout layout = MetadataLayout.ForInternal(diskBytes, slots, extents)!;
        long end = diskBytes / 4096 * 4096;
        Assert.Equal(layout.DataBytes, layout.MetadataOffset);
        Assert.Equal(layout.MetadataOffset, layout.BitmapsOffset);
        Assert.Equal(layout.BitmapsOffset + (slots * layout.BitmapBlocksPerSlot * 4096), layout.ActivityLogOffset);
        Assert.Equal(layout.ActivityLogOffset + layout.ActivityLogRingBytes, layout.SuperblockOffset0);
        Assert.Equal(end, layout.MetadataEnd);
        Assert.Equal(end - 4096, layout.SuperblockOffset1);
        Assert.Equal(layout.SuperblockOffset0, MetadataLayout.FindSuperblock0(MetadataKind.Internal, diskBytes));
        CheckCommon(layout);
    }

    [Theory]
    [InlineData(1, 1, 67)]
    [InlineData((20L << 30) + 513, 2, 1237)]
    [InlineData(64 * TiB, 8, 65534)]
    public void External_sections_are_in_order_aligned_and_do_not_overlap(long dataBytes, int slots, int extents)
    {
        MetadataLayout layout = MetadataLayout.ForExternal(dataBytes, slots, extents);
        Assert.Equal(dataBytes, layout.DataBytes);
        Assert.Equal(0, layout.SuperblockOffset0);
        Assert.Equal(layout.SuperblockOffset1 + 4096, layout.ActivityLogOffset);
        Assert.Equal(layout.ActivityLogOffset + layout.ActivityLogRingBytes, layout.BitmapsOffset);
        Assert.Equal(layout.BitmapsOffset + (slots * layout.BitmapBlocksPerSlot * 4096), layout.MetadataEnd);
        Assert.Equal(0, MetadataLayout.FindSuperblock0(MetadataKind.External, layout.MetadataEnd));
        CheckCommon(layout);
    }

    [Fact]
    public void The_default_takes_little_room()
    {
        // 256 KiB superblock span, 64 KiB activity log, 9 blocks of bitmap for 1 GiB.
        MetadataLayout layout = MetadataLayout.ForInternal(1L << 30, 1, Superblock.DefaultActivityLogExtents)!;
        Assert.Equal((256 << 10) + (64 << 10) + (9 * 4096), layout.MetadataBytes);
    }

    [Fact]
    public void A_disk_without_room_for_data_has_no_layout()
    {
        long needed = MetadataLayout.ForInternal(1L << 20, 1, 67)!.MetadataBytes;
        Assert.Null(MetadataLayout.ForInternal(needed, 1, 67));
        Assert.Null(MetadataLayout.ForInternal(needed + 4095, 1, 67));
        Assert.Equal(4096, MetadataLayout.ForInternal(needed + 4096, 1, 67)!.DataBytes);
        Assert.Null(MetadataLayout.ForInternal(0, 1, 67));
        Assert.Equal(-1, MetadataLayout.FindSuperblock0(MetadataKind.Internal, (256 << 10) - 1));
    }

    [Fact]
    public void Four_transactions_in_a_row_never_share_a_place()
    {
        MetadataLayout layout = MetadataLayout.ForExternal(1L << 30, 1, 1237);
        for (ulong t = 1; t < 20; t++)
        {
            long[] places = [.. Enumerable.Range(0, 4).Select(i => layout.ActivityLogPlaceOffset(t + (ulong)i))];
            Assert.Equal(4, places.Distinct().Count());
            Assert.All(places, place => Assert.InRange(
                place, layout.ActivityLogOffset, layout.ActivityLogOffset + layout.ActivityLogRingBytes - (2 * layout.ActivityLogTransactionBytes)));
        }
    }

    [Fact]
    public void Counts_out_of_range_are_bugs()
    {
        Assert.Throws<BugException>(() => MetadataLayout.ForInternal(1L << 30, 0, 1237));
        Assert.Throws<BugException>(() => MetadataLayout.ForInternal(1L << 30, 9, 1237));
        Assert.Throws<BugException>(() => MetadataLayout.ForExternal(1L << 30, 1, 66));
        Assert.Throws<BugException>(() => MetadataLayout.ForExternal(1L << 30, 1, 65535));
    }

    private static void CheckCommon(MetadataLayout layout)
    {
        long[] offsets = [layout.MetadataOffset, layout.SuperblockOffset0, layout.SuperblockOffset1, layout.ActivityLogOffset, layout.BitmapsOffset];
        Assert.All(offsets, offset => Assert.Equal(0, offset % 4096));
        Assert.True(layout.BitmapBlocksPerSlot >= BitmapBlockCodec.BlocksFor(layout.DataBlocks));
        Assert.Equal(
            layout.BitmapsOffset + (layout.PeerSlots * layout.BitmapBlocksPerSlot * 4096) - 4096,
            layout.BitmapBlockOffset(layout.PeerSlots - 1, layout.BitmapBlocksPerSlot - 1));
        Assert.Throws<BugException>(() => layout.BitmapBlockOffset(layout.PeerSlots, 0));
        Assert.Throws<BugException>(() => layout.BitmapBlockOffset(0, layout.BitmapBlocksPerSlot));
    }
}
