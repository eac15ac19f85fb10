using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Metadata.Inspection;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;
using static BlockRepl.Daemon.Tests.Metadata.MetadataFixture;

namespace BlockRepl.Daemon.Tests.Metadata.Inspection;

/// <summary>dump-md and verify-md say of each copy what it holds or what is wrong with it, and refuse nothing (G10).</summary>
public sealed class MetadataInspectorTests
{
    private static readonly VolumePlace Place = new("mail", "postgres", "/d/a.img", null, "alpha", ["beta"], 67);

    [Fact]
    public void Intact_metadata_has_no_problems_and_everything_in_it_is_told()
    {
        MemoryDevice disk = InSync();
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        loaded.Bitmaps[0]!.Set(4, 3);
        loaded.Bitmaps[0]!.Set(40_000, 1);
        Assert.True(store.WriteBitmap(0, loaded.Bitmaps[0]!, 0, loaded.Bitmaps[0]!.BlockCount).IsOk);
        Assert.True(store.WriteActivityLog(5, Table(9, 3)).IsOk);

        MetadataReport report = Inspect(disk);

        Assert.Empty(report.Problems);
        Assert.True(report.Intact && report.Usable);
        Assert.All(report.SuperblockCopies, copy => Assert.Equal("intact", copy.State));
        Assert.Single(report.SuperblockCopies, copy => copy.Counts);
        MetadataReport.Peer peer = Assert.Single(report.Peers);
        Assert.Equal(("beta", "0000000000000100", 4L), (peer.Name, peer.BitmapGeneration, peer.OutOfSyncBlocks));
        Assert.Equal([new(4, 3), new(40_000, 1)], peer.Runs);
        Assert.Equal(5u, report.ActivityLog!.Transaction);
        Assert.Equal([3u, 9u], report.ActivityLog.ActiveExtents);
        Assert.Equal(8, report.ActivityLog.Copies.Count);

        string text = MetadataText.Dump(report);
        foreach (string expected in new[] { "bitmap-uuid 0x0000000000000100;", "out-of-sync 4..6;   # 12288 bytes from 16384 on", "extents 3 9;", "flags Consistent;", "current 0x0000000000000004;" })
            Assert.Contains(expected, text, StringComparison.Ordinal);
        Assert.Contains("\"out_of_sync_blocks\":4", System.Text.Json.JsonSerializer.Serialize(report, MetadataReportJson.Default.MetadataReport), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_bad_superblock_copy_is_a_warning_that_names_it(int copy)
    {
        MemoryDevice disk = InSync();
        long offset = Opened(disk).Store.Layout.SuperblockOffset(copy);
        Rot(disk, offset + 600);
        MetadataReport report = Inspect(disk);
        MetadataReport.Problem problem = Assert.Single(report.Problems);
        Assert.False(problem.IsDamage);
        Assert.Equal($"superblock copy {copy} at byte {offset}", problem.Where);
        Assert.True(report.Intact && report.Usable);
        Assert.True(report.SuperblockCopies[1 - copy].Counts);
    }

    [Fact]
    public void Two_bad_superblock_copies_are_told_each_and_nothing_is_made_up()
    {
        MemoryDevice disk = InSync();
        MetadataLayout layout = Opened(disk).Store.Layout;
        Rot(disk, layout.SuperblockOffset0 + 600);
        Assert.True(disk.Write(layout.SuperblockOffset1, new byte[4096], forceUnitAccess: false).IsOk);
        MetadataReport report = Inspect(disk);
        Assert.Null(report.Superblock);
        Assert.Null(report.ActivityLog);
        Assert.Equal(2, report.Problems.Count);
        Assert.All(report.Problems, problem => Assert.True(problem.IsDamage));
        Assert.False(report.Intact || report.Usable);
        string text = MetadataText.Dump(report);
        Assert.Contains("the checksum is wrong", text, StringComparison.Ordinal);
        Assert.Contains("blank", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bad_bitmap_block_is_damage_and_reads_as_out_of_sync()
    {
        MemoryDevice disk = InSync();
        MetadataLayout layout = Opened(disk).Store.Layout;
        Rot(disk, layout.BitmapBlockOffset(0, 1) + 77);
        MetadataReport report = Inspect(disk);
        MetadataReport.Problem problem = Assert.Single(report.Problems);
        Assert.True(problem.IsDamage && report.Usable);
        Assert.Contains("bitmap block 1 of peer beta", problem.Where, StringComparison.Ordinal);
        Assert.Equal([1L], report.Peers[0].DamagedBitmapBlocks);
        Assert.Equal(layout.DataBlocks - BitmapBlockCodec.BitsPerBlock, report.Peers[0].OutOfSyncBlocks);
    }

    [Fact]
    public void One_bad_copy_of_the_log_is_a_warning_and_all_of_them_are_damage()
    {
        MemoryDevice disk = InSync();
        (VolumeMetadataStore store, _) = Opened(disk);
        Rot(disk, store.Layout.ActivityLogOffset + 70);
        MetadataReport report = Inspect(disk);
        Assert.False(Assert.Single(report.Problems).IsDamage);
        for (int copy = 1; copy < 8; copy++)
            Rot(disk, store.Layout.ActivityLogOffset + ((long)copy * store.Layout.ActivityLogTransactionBytes) + 70);
        report = Inspect(disk);
        Assert.False(report.Intact);
        Assert.True(report.Usable);
        Assert.Contains(report.Problems, problem => problem.What.Contains("marks the whole volume", StringComparison.Ordinal));
    }

    [Fact]
    public void An_unreadable_place_is_told_as_such()
    {
        var faulty = new FaultyDevice(InSync());
        MetadataLayout layout = Opened(faulty).Store.Layout;
        faulty.Inject(new DeviceFault(DeviceOperation.Read, DiskResult.Io, new ByteRange(layout.BitmapBlockOffset(0, 0), 1)));
        faulty.Inject(new DeviceFault(DeviceOperation.Read, DiskResult.Io, new ByteRange(layout.SuperblockOffset1, 4096)));
        MetadataReport report = Inspect(faulty);
        Assert.Equal(2, report.Problems.Count);
        Assert.All(report.Problems, problem => Assert.Contains("unreadable: EIO", problem.What, StringComparison.Ordinal));
    }

    [Fact]
    public void Metadata_of_another_volume_is_told_and_shown()
    {
        var inspector = new MetadataInspector(Place with { Volume = "spool" }, SourceOf(InSync()), null);
        MetadataReport report = inspector.Inspect()!;
        Assert.Contains("mail/postgres on alpha", Assert.Single(report.Problems).What, StringComparison.Ordinal);
        Assert.False(report.Usable);
        Assert.Single(report.Peers);
    }

    /// <summary>While the metadata of a grown disk is being moved the old place counts, and is shown.</summary>
    [Fact]
    public void Metadata_that_is_being_moved_is_found_at_its_old_place()
    {
        MemoryDevice disk = InSync();
        disk.Resize(DiskBytes + (8 << 20));
        Assert.Null(Inspect(disk, mayBeNone: true));
        byte[] block = new byte[Block.Size];
        new Signpost(Options.DeviceId, DiskBytes & ~4095L).Encode(block);
        Assert.True(disk.Write(MetadataLayout.FindSuperblock0(MetadataKind.Internal, disk.SizeBytes), block, forceUnitAccess: true).IsOk);
        MetadataReport report = Inspect(disk);
        Assert.Contains("has grown from", Assert.Single(report.Problems).What, StringComparison.Ordinal);
        Assert.True(report.Usable && report.Intact);
        Assert.Single(report.Peers);
    }

    [Fact]
    public void A_disk_without_metadata_has_no_report() =>
        Assert.Null(new MetadataInspector(Place, SourceOf(new MemoryDevice(DiskBytes)), null).Inspect());

    /// <summary>What verify-md calls intact, an attach takes without a warning, and the other way round.</summary>
    [Fact]
    public void Verify_and_attach_agree_about_every_single_rotten_byte()
    {
        MemoryDevice disk = InSync();
        MetadataLayout layout = Opened(disk).Store.Layout;
        long[] places =
        [
            layout.SuperblockOffset0 + 9, layout.SuperblockOffset1 + 4000, layout.ActivityLogOffset, layout.ActivityLogOffset + layout.ActivityLogRingBytes - 1,
            layout.BitmapBlockOffset(0, 0), layout.BitmapBlockOffset(0, 1) + 4095, layout.SuperblockOffset0 + 5000, layout.BitmapBlockOffset(1, 0) + 20,
        ];
        foreach (long place in places)
        {
            Rot(disk, place);
            Assert.True(Opened(disk).Loaded.Warnings.IsEmpty == (Inspect(disk).Problems.Count == 0), $"byte {place}");
            Rot(disk, place);
        }
    }

    internal static MetadataSource SourceOf(IBlockDevice device) => new(device.SizeBytes, device.Read);

    private static MetadataReport Inspect(IBlockDevice disk, bool mayBeNone = false)
    {
        MetadataReport? report = new MetadataInspector(Place, SourceOf(disk), null).Inspect();
        Assert.True(mayBeNone || report is not null);
        return report!;
    }
}
