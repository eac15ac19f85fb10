using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Metadata;

/// <summary>A small disk with metadata on it.</summary>
internal static class MetadataFixture
{
    /// <summary>Not a multiple of 4096, and of more blocks than one block of bitmap covers.</summary>
    public const long DiskBytes = (200L << 20) + 1536;

    public static VolumeIdentity Identity { get; } = new("mail", "postgres", "alpha");

    public static MetadataCreateOptions Options { get; } = new()
    {
        Identity = Identity,
        DeviceId = 0xD15C,
        PeerNames = ["beta"],
        PeerSlots = 2,
        ActivityLogExtents = 67,
    };

    public static MemoryDevice Created()
    {
        var disk = new MemoryDevice(DiskBytes);
        Assert.Equal(MetadataResult.Ok, VolumeMetadataStore.Create(disk, null, Options));
        return disk;
    }

    public static (VolumeMetadataStore Store, LoadedMetadata Loaded) Opened(IBlockDevice disk, IBlockDevice? metadataDevice = null)
    {
        MetadataOpenResult result = VolumeMetadataStore.Open(disk, metadataDevice, Identity);
        Assert.Equal(MetadataResult.Ok, result.Result);
        return (result.Store!, result.Loaded!);
    }

    /// <summary>A disk whose bitmap counts: the slot's full-sync flag is off and no bit is set.</summary>
    public static MemoryDevice InSync()
    {
        MemoryDevice disk = Created();
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        DirtyBitmap bitmap = loaded.Bitmaps[0]!;
        bitmap.ClearAll();
        Assert.True(store.WriteBitmap(0, bitmap, 0, bitmap.BlockCount).IsOk);
        Superblock superblock = store.Superblock.WithPeer(0, new PeerSlot("beta", new GenerationId(0x100), PeerSlotFlags.None));
        Assert.True(store.WriteSuperblock(superblock with { Flags = SuperblockFlags.Consistent }).IsOk);
        return disk;
    }

    public static uint[] Table(params uint[] active)
    {
        uint[] slots = new uint[Options.ActivityLogExtents];
        Array.Fill(slots, ActivityLogCodec.EmptySlot);
        active.CopyTo(slots, 0);
        return slots;
    }

    /// <summary>Turns one byte over.</summary>
    public static void Rot(IBlockDevice disk, long offset)
    {
        byte[] one = new byte[1];
        Assert.True(disk.Read(offset, one).IsOk);
        one[0] ^= 0x40;
        Assert.True(disk.Write(offset, one, forceUnitAccess: false).IsOk);
    }
}
