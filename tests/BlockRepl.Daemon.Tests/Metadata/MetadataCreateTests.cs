using System.Buffers.Binary;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;
using static BlockRepl.Daemon.Tests.Metadata.MetadataFixture;

namespace BlockRepl.Daemon.Tests.Metadata;

public sealed class MetadataCreateTests
{
    [Fact]
    public void Fresh_internal_metadata_opens_as_just_created_with_everything_out_of_sync()
    {
        MemoryDevice disk = Created();
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        Superblock superblock = loaded.Superblock;
        Assert.Equal(superblock, store.Superblock);
        Assert.Equal(("mail", "postgres", "alpha"), (superblock.ResourceName, superblock.VolumeName, superblock.NodeName));
        Assert.Equal(GenerationId.JustCreated, superblock.Current);
        Assert.Equal(SuperblockFlags.CleanShutdown, superblock.Flags);
        Assert.Equal(MetadataKind.Internal, superblock.Kind);
        Assert.Equal(store.Layout.DataBytes, superblock.DataBytes);
        Assert.Equal(0, superblock.DataBytes % 4096);
        Assert.Equal(["beta", ""], superblock.Peers.Select(peer => peer.NodeName));
        Assert.All(superblock.Peers, peer => Assert.Equal(PeerSlotFlags.FullSync, peer.Flags));
        Assert.Empty(loaded.ActiveExtents);
        Assert.Empty(loaded.Warnings);
        Assert.Equal(4UL, loaded.ActivityLogTransaction);
        Assert.Equal(store.Layout.DataBlocks, loaded.Bitmaps[0]!.SetCount);
        Assert.Null(loaded.Bitmaps[1]);
    }

    [Fact]
    public void External_metadata_leaves_the_disk_alone_and_takes_any_size()
    {
        var disk = new MemoryDevice(DiskBytes);
        var meta = new MemoryDevice(1 << 20);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, meta, Options));
        Assert.Equal(0, disk.AllocatedChunks);
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk, meta);
        Assert.Equal(DiskBytes, store.Layout.DataBytes);
        Assert.Equal(Block.CountFor(DiskBytes), loaded.Bitmaps[0]!.BlockCount);
        Assert.Equal(MetadataKind.External, loaded.Superblock.Kind);
    }

    [Fact]
    public void Existing_metadata_is_refused_even_if_damaged_and_forced_over()
    {
        MemoryDevice disk = InSync();
        Assert.Equal(MetadataError.AlreadyExists, VolumeMetadataStore.Create(disk, null, Options).Error);
        MetadataLayout layout = Opened(disk).Store.Layout;
        Rot(disk, layout.SuperblockOffset0 + 500);
        Rot(disk, layout.SuperblockOffset1 + 500);
        Assert.Equal(MetadataError.AlreadyExists, VolumeMetadataStore.Create(disk, null, Options).Error);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, null, Options with { Force = true, DeviceId = 2 }));
        (_, LoadedMetadata loaded) = Opened(disk);
        Assert.Equal(GenerationId.JustCreated, loaded.Superblock.Current);
        Assert.Empty(loaded.Warnings);
    }

    [Fact]
    public void Hard_part_14_data_in_the_tail_is_refused_and_left_as_it_is()
    {
        MetadataLayout layout = MetadataLayout.ForInternal(DiskBytes, 2, 67)!;
        foreach (long offset in new[] { layout.MetadataOffset, layout.ActivityLogOffset + 5, layout.SuperblockOffset0 + 10_000, layout.MetadataEnd - 1 })
        {
            var disk = new MemoryDevice(DiskBytes);
            disk.Write(offset, [1], forceUnitAccess: false);
            MetadataResult result = VolumeMetadataStore.Create(disk, null, Options);
            Assert.Equal(MetadataError.DataInTheWay, result.Error);
            Assert.Contains($"byte {offset},", result.Message, StringComparison.Ordinal);
            Assert.NotEmpty(result.Hint);
            Assert.Equal(1, disk.AllocatedChunks);
            Assert.Equal(MetadataError.NoMetadata, VolumeMetadataStore.Open(disk, null, Identity).Result.Error);
            Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, null, Options with { Force = true }));
        }
    }

    [Fact]
    public void Data_before_the_tail_and_zeroes_in_it_do_not_matter()
    {
        MetadataLayout layout = MetadataLayout.ForInternal(DiskBytes, 2, 67)!;
        var disk = new MemoryDevice(DiskBytes);
        disk.Write(layout.DataBytes - 1, [7, 0, 0], forceUnitAccess: false);
        disk.Write(layout.SuperblockOffset1, new byte[4096], forceUnitAccess: false);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, null, Options));
        byte[] last = new byte[1];
        disk.Read(layout.DataBytes - 1, last);
        Assert.Equal(7, last[0]);
    }

    [Fact]
    public void A_disk_with_internal_metadata_is_not_given_external_metadata_unasked()
    {
        MemoryDevice disk = Created();
        var meta = new MemoryDevice(1 << 20);
        Assert.Equal(MetadataError.AlreadyExists, VolumeMetadataStore.Create(disk, meta, Options).Error);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, meta, Options with { Force = true }));
    }

    [Fact]
    public void A_device_without_room_is_refused()
    {
        Assert.Equal(MetadataError.NoRoom, VolumeMetadataStore.Create(new MemoryDevice(260 << 10), null, Options).Error);
        Assert.Equal(MetadataError.NoRoom, VolumeMetadataStore.Create(new MemoryDevice(0), null, Options).Error);
        Assert.Equal(
            MetadataError.NoRoom, VolumeMetadataStore.Create(new MemoryDevice(DiskBytes), new MemoryDevice(260 << 10), Options).Error);
    }

    [Fact]
    public void A_disk_beyond_the_largest_volume_is_refused_and_the_largest_is_created_at_once()
    {
        var tooLarge = new HugeDisk(Superblock.DataBytesMax + 1);
        Assert.Equal(MetadataError.DiskTooLarge, VolumeMetadataStore.Create(tooLarge, null, Options).Error);
        Assert.Equal(0, tooLarge.BlocksWritten);
        var largest = new HugeDisk(Superblock.DataBytesMax);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(largest, null, Options with { PeerSlots = 8 }));
        // Two superblocks and the activity log's four places of two copies; none of the 64 GiB of bitmaps.
        Assert.Equal(2 + 8, largest.BlocksWritten);
    }

    [Fact]
    public void Wipe_leaves_nothing_behind()
    {
        MemoryDevice disk = InSync();
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Wipe(disk, null));
        Assert.Equal(MetadataError.NoMetadata, VolumeMetadataStore.Open(disk, null, Identity).Result.Error);
        Assert.Equal(MetadataError.NoMetadata, VolumeMetadataStore.Wipe(disk, null).Error);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, null, Options));
    }

    [Fact]
    public void A_failing_disk_is_reported_with_what_it_said()
    {
        var faulty = new FaultyDevice(new MemoryDevice(DiskBytes));
        faulty.Inject(new DeviceFault(DeviceOperation.Write, DiskResult.NoSpace, Skip: 3, Times: 1));
        MetadataResult result = VolumeMetadataStore.Create(faulty, null, Options);
        Assert.Equal((MetadataError.DiskFailed, DiskResult.NoSpace), (result.Error, result.Disk));
        Assert.Contains("ENOSPC", result.Message, StringComparison.Ordinal);
        Assert.Equal(MetadataError.NoMetadata, VolumeMetadataStore.Open(faulty, null, Identity).Result.Error);
    }

    [Fact]
    public void Every_cut_of_a_forced_create_leaves_the_old_the_new_none_or_an_error()
    {
        var recorder = new RecordingDevice(InSync());
        GenerationId old = new(0x100);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(recorder, null, Options with { Force = true, DeviceId = 99 }));
        Assert.All(recorder.Log, change => Assert.True(change.ForcedUnitAccess));
        int count = recorder.Log.Count;
        var seen = new HashSet<string>();
        for (int cut = 0; cut <= count; cut++)
        {
            foreach (int torn in new[] { 0, 512, 2048 })
            {
                MetadataOpenResult result = VolumeMetadataStore.Open(recorder.ImageAfter(cut, torn), null, Identity);
                string what = result.Result.Error.ToString();
                if (result.Loaded is { } loaded)
                {
                    what = loaded.Superblock.DeviceId == 99 ? "new" : "old";
                    Assert.Equal(what == "old" ? old : GenerationId.None, loaded.Superblock.Peers[0].BitmapGeneration);
                    // The old bitmap may count only with the old superblock.
                    Assert.Equal(what == "old" ? 0 : loaded.Bitmaps[0]!.BlockCount, loaded.Bitmaps[0]!.SetCount);
                }

                Assert.Contains(what, new[] { "old", "new", nameof(MetadataError.NoMetadata), nameof(MetadataError.Damaged) });
                seen.Add(what);
            }
        }

        Assert.Equal(4, seen.Count);
    }

    /// <summary>G15: a disk of version 1 stays one until somebody upgrades it; what only version 2 holds is lost on it and nothing else is.</summary>
    [Fact]
    public void G15_version_1_is_kept_until_it_is_upgraded()
    {
        MemoryDevice disk = Created();
        VolumeMetadataStore store = Opened(disk).Store;
        Assert.Equal(SuperblockCodec.NewestVersion, store.Superblock.Version);
        Superblock superblock = store.Superblock with { Version = 1, Current = new GenerationId(0x1000) };
        superblock = superblock.WithPeer(0, superblock.Peers[0] with { BitmapSinceMs = 5 });
        Assert.True(store.WriteSuperblock(superblock).IsOk);

        store = Opened(disk).Store;
        Assert.Equal((1U, 0L), (store.Superblock.Version, store.Superblock.Peers[0].BitmapSinceMs));
        Assert.True(store.WriteSuperblock(store.Superblock with { Current = new GenerationId(0x2000) }).IsOk);
        Assert.Equal(1U, Opened(disk).Store.Superblock.Version);

        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Upgrade(disk, null, Identity));
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Upgrade(disk, null, Identity));
        store = Opened(disk).Store;
        Assert.Equal((2U, new GenerationId(0x2000)), (store.Superblock.Version, store.Superblock.Current));
        Assert.True(store.WriteSuperblock(store.Superblock.WithPeer(0, store.Superblock.Peers[0] with { BitmapSinceMs = 5 })).IsOk);
        Assert.Equal(5L, Opened(disk).Store.Superblock.Peers[0].BitmapSinceMs);
        Assert.Equal(MetadataError.OtherVolume, VolumeMetadataStore.Upgrade(disk, null, Identity with { NodeName = "gamma" }).Error);
    }

    [Fact]
    public void G15_an_unknown_version_is_named_and_not_overwritten()
    {
        MemoryDevice disk = Created();
        MetadataLayout layout = Opened(disk).Store.Layout;
        byte[] bytes = new byte[4096];
        disk.Read(layout.SuperblockOffset1, bytes);
        bytes[8] = 9;
        bytes.AsSpan(12, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Crc32C.Compute(bytes));
        disk.Write(layout.SuperblockOffset1, bytes, forceUnitAccess: false);
        MetadataResult result = VolumeMetadataStore.Open(disk, null, Identity).Result;
        Assert.Equal(MetadataError.UnknownVersion, result.Error);
        Assert.Contains("version 9", result.Message, StringComparison.Ordinal);
        Assert.Contains("version 1", result.Message, StringComparison.Ordinal);
        Assert.Equal(MetadataError.AlreadyExists, VolumeMetadataStore.Create(disk, null, Options).Error);
    }
}
