using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Format.Tests;

/// <summary>Superblocks with every field in use, fixed or from a seed.</summary>
internal static class Samples
{
    public static Superblock Fixed { get; } = new()
    {
        ResourceName = "mail",
        VolumeName = "postgrés",
        NodeName = "alpha",
        DeviceId = 0x0123_4567_89AB_CDEF,
        Kind = MetadataKind.External,
        DataBytes = (20L << 30) + 513,
        AgreedBytes = 20L << 30,
        ActivityLogExtents = 67,
        ActivityLogExtentBytes = 4 << 20,
        Current = new GenerationId(0x1122_3344_5566_7788),
        History = [new GenerationId(0xAAAA_0000_0000_0002), new GenerationId(0xBBBB_0000_0000_0004)],
        Flags = SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate | SuperblockFlags.PrimaryIndicator,
        BootId = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"),
        Peers =
        [
            new PeerSlot("beta", new GenerationId(0xCCCC_0000_0000_0006), PeerSlotFlags.WasConnected),
            new PeerSlot("gamma", GenerationId.None, PeerSlotFlags.FullSync | PeerSlotFlags.PeerOutdated),
        ],
    };

    public static Superblock FromSeed(int seed)
    {
        var random = new Random(seed);
        return new Superblock
        {
            ResourceName = Name(random, Superblock.NameBytesMax),
            VolumeName = Name(random, Superblock.NameBytesMax),
            NodeName = Name(random, Superblock.NodeNameBytesMax),
            DeviceId = (ulong)random.NextInt64(),
            Kind = random.Next(2) == 0 ? MetadataKind.Internal : MetadataKind.External,
            DataBytes = random.NextInt64(1, Superblock.DataBytesMax + 1),
            AgreedBytes = random.Next(2),
            ActivityLogExtents = random.Next(Superblock.ActivityLogExtentsMin, Superblock.ActivityLogExtentsMax + 1),
            ActivityLogExtentBytes = 1 << random.Next(12, 31),
            Current = new GenerationId((ulong)random.NextInt64()),
            History = Enumerable.Range(0, random.Next(Superblock.HistoryMax + 1))
                .Select(_ => new GenerationId((ulong)random.NextInt64(1, long.MaxValue))).ToImmutableArray(),
            Flags = (SuperblockFlags)random.Next(128),
            BootId = new Guid(Enumerable.Range(0, 16).Select(_ => (byte)random.Next(256)).ToArray()),
            Peers = Enumerable.Range(0, random.Next(1, Superblock.PeerSlotsMax + 1)).Select(_ => new PeerSlot(
                random.Next(3) == 0 ? "" : Name(random, Superblock.NodeNameBytesMax),
                new GenerationId((ulong)random.NextInt64()),
                (PeerSlotFlags)random.Next(32))
            { BitmapSinceMs = random.NextInt64(0, 1L << 42) }).ToImmutableArray(),
        };
    }

    public static byte[] Encoded(Superblock superblock, ulong sequence)
    {
        byte[] bytes = new byte[MetadataLayout.SuperblockBytes];
        SuperblockCodec.Encode(superblock, sequence, bytes);
        return bytes;
    }

    private static string Name(Random random, int bytesMax) =>
        new(Enumerable.Range(0, random.Next(1, bytesMax + 1)).Select(_ => (char)random.Next('a', 'z' + 1)).ToArray());
}
