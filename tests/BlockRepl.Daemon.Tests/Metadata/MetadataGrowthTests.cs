using System.Collections.Immutable;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;
using static BlockRepl.Daemon.Tests.Metadata.MetadataFixture;

namespace BlockRepl.Daemon.Tests.Metadata;

/// <summary>The metadata of a disk that grows, cut at every write and inside every write (hard part 14, I17).</summary>
public sealed class MetadataGrowthTests
{
    private const long GrownBytes = DiskBytes + (64 << 20);

    private static readonly int[] TornBytes = [0, 1, 16, 512, 4095];

    /// <summary>Marks, an active extent and data, on a disk that has just been made larger.</summary>
    private static MemoryDevice Prepared(out bool[] bits)
    {
        MemoryDevice disk = InSync();
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        DirtyBitmap bitmap = loaded.Bitmaps[0]!;
        bitmap.Set(3, 5);
        bitmap.Set(bitmap.BlockCount - 2, 2);
        Assert.True(store.WriteBitmap(0, bitmap, 0, bitmap.BlockCount).IsOk);
        Assert.True(store.WriteActivityLog(loaded.ActivityLogTransaction + 1, Table(7, 9)).IsOk);
        Assert.True(disk.Write(123456, new byte[] { 1, 2, 3 }, forceUnitAccess: true).IsOk);
        Assert.True(disk.Write(store.Layout.DataBytes - 3, new byte[] { 4, 5, 6 }, forceUnitAccess: true).IsOk);
        bits = Bits(bitmap);
        disk.Resize(GrownBytes);
        return disk;
    }

    private static MetadataGrowth.Outcome Grow(IBlockDevice disk, VolumeMetadataStore store, DirtyBitmap bitmap) =>
        MetadataGrowth.Grow(disk, null, store, ImmutableArray.Create<DirtyBitmap?>(bitmap, null), null);

    private static (VolumeMetadataStore Store, DirtyBitmap Bitmap) OpenedAtOldEnd(MemoryDevice disk)
    {
        Assert.Equal(MetadataResult.Ok, MetadataGrowth.PointToOldEnd(disk, DiskBytes, Identity));
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        return (store, loaded.Bitmaps[0]!);
    }

    [Fact]
    public void G8_the_metadata_of_a_grown_disk_moves_whole_wherever_the_move_is_cut()
    {
        MemoryDevice disk = Prepared(out bool[] bits);
        (VolumeMetadataStore store, DirtyBitmap bitmap) = OpenedAtOldEnd(disk);
        MetadataLayout old = store.Layout;
        var recorder = new RecordingDevice(disk);
        Superblock before = store.Superblock;
        MetadataGrowth.Outcome outcome = Grow(recorder, store, bitmap);
        Assert.Equal((DiskResult.Ok, "", false), (outcome.Error, outcome.Refusal, outcome.IsLost));
        MetadataLayout next = outcome.Store.Layout;
        Assert.Equal(MetadataLayout.ForInternal(GrownBytes, 2, 67)!.DataBytes, next.DataBytes);

        for (int cut = 0; cut <= recorder.Log.Count; cut++)
        {
            foreach (int torn in TornBytes)
            {
                MemoryDevice image = recorder.ImageAfter(cut, torn);
                (VolumeMetadataStore found, LoadedMetadata loaded) = Opened(image);
                string where = $"cut {cut}, torn {torn}";
                Assert.True(found.Superblock == before || found.Superblock == before with { DataBytes = next.DataBytes }, where);
                Assert.Equal([7U, 9U], loaded.ActiveExtents.ToArray());
                Assert.Equal(bits, Bits(loaded.Bitmaps[0]!)[..bits.Length]);
                Assert.Equal(0, loaded.DamagedBitmapBlocks);
                AssertData(image, old, where);
                if (loaded.UnfinishedMove is { } from)
                    Assert.True(MetadataGrowth.Finish(image, found, from).IsOk);

                // Said again it is completed, from wherever it was cut.
                MetadataGrowth.Outcome again = Grow(image, found, loaded.Bitmaps[0]!);
                Assert.Equal((DiskResult.Ok, "", next.DataBytes), (again.Error, again.Refusal, again.Store.Layout.DataBytes));
                (_, LoadedMetadata last) = Opened(image);
                Assert.Equal(before with { DataBytes = next.DataBytes }, last.Superblock);
                Assert.True(last.Warnings.IsEmpty || torn > 0, where);
                Assert.Equal(bits, Bits(last.Bitmaps[0]!)[..bits.Length]);
                AssertData(image, old, where);
                AssertZero(image, old.MetadataOffset, next.MetadataOffset);
            }
        }
    }

    [Fact]
    public void A_disk_that_grew_while_down_is_found_again_only_by_its_former_size()
    {
        MemoryDevice disk = Prepared(out bool[] bits);
        MetadataOpenResult lost = VolumeMetadataStore.Open(disk, null, Identity);
        Assert.Equal(MetadataError.NoMetadata, lost.Result.Error);
        Assert.Contains("--old-size", lost.Result.Hint, StringComparison.Ordinal);
        Assert.Equal(MetadataError.NoMetadata, MetadataGrowth.PointToOldEnd(disk, DiskBytes - (1 << 20), Identity).Error);
        Assert.Equal(MetadataError.OtherVolume, MetadataGrowth.PointToOldEnd(disk, DiskBytes, Identity with { NodeName = "beta" }).Error);
        Assert.Equal(MetadataResult.Ok, MetadataGrowth.PointToOldEnd(disk, DiskBytes, Identity));
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        Assert.Equal(bits, Bits(loaded.Bitmaps[0]!));
        Assert.True(store.WriteSuperblock(store.Superblock with { AgreedBytes = 4096 }).IsOk);
        Assert.Equal(4096, Opened(disk).Loaded.Superblock.AgreedBytes);
        Assert.Equal(MetadataError.AlreadyExists, MetadataGrowth.PointToOldEnd(disk, DiskBytes, Identity).Error);
    }

    [Fact]
    public void Too_little_growth_is_refused_and_changes_nothing()
    {
        MemoryDevice disk = InSync();
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        disk.Resize(DiskBytes + (300 << 10));
        var recorder = new RecordingDevice(disk);
        MetadataGrowth.Outcome outcome = Grow(recorder, store, loaded.Bitmaps[0]!);
        Assert.Contains("too little", outcome.Refusal, StringComparison.Ordinal);
        Assert.Same(store, outcome.Store);
        Assert.Empty(recorder.Log);
    }

    [Fact]
    public void A_write_that_fails_before_the_new_place_counts_leaves_the_old_one()
    {
        for (int skip = 0; skip < 8; skip++)
        {
            MemoryDevice disk = Prepared(out bool[] bits);
            (VolumeMetadataStore store, DirtyBitmap bitmap) = OpenedAtOldEnd(disk);
            var faulty = new FaultyDevice(disk);
            faulty.Inject(new DeviceFault(DeviceOperation.Write, DiskResult.Io, Skip: skip, Times: 1));
            MetadataGrowth.Outcome outcome = Grow(faulty, store, bitmap);
            (VolumeMetadataStore found, LoadedMetadata loaded) = Opened(disk);
            Assert.Equal(bits, Bits(loaded.Bitmaps[0]!)[..bits.Length]);
            if (outcome.Error.IsOk)
                continue;
            Assert.Equal(outcome.IsLost ? found.Layout.DataBytes : store.Layout.DataBytes, found.Layout.DataBytes);
            Assert.True(outcome.IsLost || ReferenceEquals(outcome.Store, store));
        }
    }

    [Fact]
    public void G8_external_metadata_grows_with_the_data_wherever_it_is_cut()
    {
        const long Before = 130L << 20;
        const long After = 400L << 20;
        var disk = new MemoryDevice(Before);
        var meta = new MemoryDevice(1 << 20);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, meta, Options with { PeerSlots = 1 }));
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk, meta);
        DirtyBitmap bitmap = loaded.Bitmaps[0]!;
        bitmap.ClearAll();
        bitmap.Set(11, 4);
        Assert.True(store.WriteBitmap(0, bitmap, 0, bitmap.BlockCount).IsOk);
        Assert.True(store.WriteSuperblock(store.Superblock.WithPeer(0, new PeerSlot("beta", new GenerationId(0x100), PeerSlotFlags.None))).IsOk);
        bool[] bits = Bits(bitmap);
        disk.Resize(After);
        var recorder = new RecordingDevice(meta);
        MetadataGrowth.Outcome outcome = MetadataGrowth.Grow(disk, recorder, store, ImmutableArray.Create<DirtyBitmap?>(bitmap), null);
        Assert.Equal((DiskResult.Ok, "", After), (outcome.Error, outcome.Refusal, outcome.Store.Layout.DataBytes));
        for (int cut = 0; cut <= recorder.Log.Count; cut++)
        {
            foreach (int torn in TornBytes)
            {
                LoadedMetadata found = Opened(disk, recorder.ImageAfter(cut, torn)).Loaded;
                bool[] seen = Bits(found.Bitmaps[0]!);
                for (int block = 0; block < bits.Length; block++)
                    Assert.True(seen[block] || !bits[block], $"cut {cut}, torn {torn}, block {block}");
                Assert.Contains(found.Superblock.DataBytes, new[] { Before, After });
            }
        }

        Assert.Equal(bits, Bits(Opened(disk, meta).Loaded.Bitmaps[0]!)[..bits.Length]);
        Assert.Equal(4, Opened(disk, meta).Loaded.Bitmaps[0]!.SetCount);
    }

    [Fact]
    public void A_file_never_has_its_new_size_without_its_new_end()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[8192]);
            using IBlockDevice file = DeviceFactory.Open(path).Device!;
            Assert.True(file.CanExtend);
            Assert.Equal(DiskResult.Ok, file.Extend(1 << 20, [1, 2, 3]));
            Assert.Equal(1 << 20, file.SizeBytes);
            byte[] end = new byte[4];
            Assert.Equal(DiskResult.Ok, file.Read((1 << 20) - 4, end));
            Assert.Equal(new byte[] { 0, 1, 2, 3 }, end);
            Assert.Equal(DiskResult.Ok, file.Extend(2 << 20, []));
            Assert.Equal(2 << 20, new FileInfo(path).Length);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void AssertData(MemoryDevice disk, MetadataLayout old, string where)
    {
        byte[] three = new byte[3];
        Assert.True(disk.Read(123456, three).IsOk);
        Assert.True(three.AsSpan().SequenceEqual(new byte[] { 1, 2, 3 }), where);
        Assert.True(disk.Read(old.DataBytes - 3, three).IsOk);
        Assert.True(three.AsSpan().SequenceEqual(new byte[] { 4, 5, 6 }), where);
    }

    private static void AssertZero(MemoryDevice disk, long from, long to)
    {
        byte[] bytes = new byte[to - from];
        Assert.True(disk.Read(from, bytes).IsOk);
        Assert.Equal(-1, bytes.AsSpan().IndexOfAnyExcept((byte)0));
    }

    private static bool[] Bits(DirtyBitmap bitmap)
    {
        bool[] bits = new bool[bitmap.BlockCount];
        for (long block = bitmap.FindNextSet(0); block >= 0; block = bitmap.FindNextSet(block + 1))
            bits[block] = true;
        return bits;
    }
}
