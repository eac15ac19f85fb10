using System.Buffers.Binary;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Fuzz.Engine;
using BlockRepl.Primitives;

namespace BlockRepl.Fuzz.Targets;

/// <summary>
/// A disk whose metadata was changed, with right checksums or without: it opens or is refused with a reason; what opens is coherent, can be written, and reads back as it was written.
/// </summary>
/// <remarks>The input: octet 0 says internal or external, then changes: an offset into the metadata (4), a length (2), the bytes; at the end all checksums are put right if octet 1 says so.</remarks>
internal sealed class MetadataTarget : FuzzTarget
{
    private const long DiskBytes = 9 << 20;
    private static readonly VolumeIdentity Identity = new("mail", "db", "alpha");
    private static readonly (MemoryDevice Disk, MemoryDevice? Meta) Internal = Fresh(isExternal: false);
    private static readonly (MemoryDevice Disk, MemoryDevice? Meta) External = Fresh(isExternal: true);

    public override string Name => "metadata";

    // Two disks of 9 MiB, and a 2 GiB bitmap where a superblock says so would be far beyond.
    public override long AllocatedBytesMax => 64 << 20;

    public override byte[] Make(Prng chance)
    {
        List<byte> input = [(byte)chance.Below(2), (byte)chance.Below(3)];
        bool isExternal = input[0] == 1;
        MetadataLayout layout = LayoutOf(isExternal);
        for (int left = 1 + chance.Below(5); left > 0; left--)
        {
            // Into a field of a superblock, the log or a bitmap, mostly in both copies.
            int field = chance.Below(3) switch
            {
                0 => chance.Pick([0, 8, 12, 16, 24, 32, 40, 48, 52, 56, 60, 61, 62, 64, 80, 88, 128, 256, 384, 512, 768, 1024, 1152, 1160, 1164, 1168, 3072]),
                1 => chance.Below(3300),
                _ => -1,
            };
            byte[] bytes = new byte[1 << chance.Below(4)];
            ulong number = chance.Number();
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = (byte)(number >> (8 * i));
            if (field >= 0)
            {
                int copies = 1 + chance.Below(3);
                for (int copy = 0; copy < 2; copy++)
                {
                    if ((copies & (1 << copy)) != 0)
                        Add(input, layout.SuperblockOffset(copy) - layout.MetadataOffset + field, bytes);
                }
            }
            else
            {
                long section = chance.OneIn(2) ? layout.ActivityLogOffset : layout.BitmapsOffset;
                Add(input, section - layout.MetadataOffset + chance.Below(chance.OneIn(2) ? 96 : 8192), bytes);
            }
        }

        return [.. input];
    }

    public override void Run(byte[] input)
    {
        if (input.Length < 2)
            return;
        bool isExternal = (input[0] & 1) == 1;
        MetadataLayout layout = LayoutOf(isExternal);
        var (disk, meta) = isExternal ? (External.Disk.Copy(), External.Meta!.Copy()) : (Internal.Disk.Copy(), null);
        MemoryDevice device = meta ?? disk;
        byte[] all = new byte[layout.MetadataBytes];
        device.Read(layout.MetadataOffset, all);
        byte[] before = [.. all];
        for (int at = 2; at + 6 <= input.Length;)
        {
            uint offset = BinaryPrimitives.ReadUInt32LittleEndian(input.AsSpan(at)) % (uint)all.Length;
            int length = Math.Min(Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(input.AsSpan(at + 4)), input.Length - at - 6), all.Length - (int)offset);
            input.AsSpan(at + 6, length).CopyTo(all.AsSpan((int)offset));
            at += 6 + Math.Max(1, length);
        }

        bool isSealed = input[1] > 0;
        if (isSealed)
            Seal(all, layout);
        device.Write(layout.MetadataOffset, all, forceUnitAccess: false);
        MetadataOpenResult opened = VolumeMetadataStore.Open(disk, meta, input[1] == 2 ? null : Identity);
        Assert.Equal(opened.Result.IsOk, opened.Store is not null);
        if (opened.Store is not { } store || opened.Loaded is not { } loaded)
        {
            Assert.NotEmpty(opened.Result.Message);
            return;
        }

        if (!isSealed)
            CheckNothingDamagedCounts(before, all, layout, loaded);
        CheckCoherent(store, loaded);
        CheckWritable(disk, meta, store, loaded);
    }

    private static void Add(List<byte> input, long offset, byte[] bytes)
    {
        byte[] head = new byte[6];
        BinaryPrimitives.WriteUInt32LittleEndian(head, (uint)offset);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(4), (ushort)bytes.Length);
        input.AddRange(head);
        input.AddRange(bytes);
    }

    // G10: what has a wrong checksum is not used. A superblock that was changed is not the one that counts; a bitmap block that was changed reads as all out-of-sync.
    private static void CheckNothingDamagedCounts(byte[] before, byte[] after, MetadataLayout layout, LoadedMetadata loaded)
    {
        SuperblockRead first = SuperblockCodec.Decode(before.AsSpan((int)(layout.SuperblockOffset0 - layout.MetadataOffset), Block.Size));
        Assert.Equal(first.Superblock, loaded.Superblock);
        long at = layout.BitmapsOffset - layout.MetadataOffset;
        if (!before.AsSpan((int)at, Block.Size).SequenceEqual(after.AsSpan((int)at, Block.Size)))
            Assert.True(loaded.Bitmaps[0]!.SetCount == Math.Min(BitmapBlockCodec.BitsPerBlock, loaded.Bitmaps[0]!.BlockCount), "a damaged bitmap block counts");
    }

    private static void CheckCoherent(VolumeMetadataStore store, LoadedMetadata loaded)
    {
        Superblock superblock = loaded.Superblock;
        Assert.InRange(superblock.ActivityLogExtents, Superblock.ActivityLogExtentsMin, Superblock.ActivityLogExtentsMax);
        Assert.InRange(superblock.AgreedBytes, 0, superblock.DataBytes);
        Assert.Equal(store.Layout.DataBytes, superblock.DataBytes);
        Assert.Equal(Superblock.DefaultExtentBytes, superblock.ActivityLogExtentBytes);
        long extents = (superblock.DataBytes + superblock.ActivityLogExtentBytes - 1) / superblock.ActivityLogExtentBytes;
        foreach (uint extent in loaded.ActiveExtents)
            Assert.InRange(extent, 0u, (uint)extents - 1);
        Assert.Equal(superblock.Peers.Length, loaded.Bitmaps.Length);
    }

    private static void CheckWritable(IBlockDevice disk, IBlockDevice? meta, VolumeMetadataStore store, LoadedMetadata loaded)
    {
        Superblock next = loaded.Superblock with { Current = new GenerationId(0xABCD00), Flags = loaded.Superblock.Flags ^ SuperblockFlags.Outdated };
        Assert.True(store.WriteSuperblock(next).IsOk);
        uint[] table = new uint[store.Layout.ActivityLogExtents];
        Array.Fill(table, ActivityLogCodec.EmptySlot);
        table[1] = 0;
        Assert.True(store.WriteActivityLog(loaded.ActivityLogTransaction + 1, table).IsOk);
        if (loaded.Bitmaps[0] is { } bitmap)
        {
            bitmap.Set(0, Math.Min(3, bitmap.BlockCount));
            Assert.True(store.WriteBitmap(0, bitmap, 0, bitmap.BlockCount).IsOk);
        }

        MetadataOpenResult again = VolumeMetadataStore.Open(disk, meta, null);
        Assert.True(again.Result.IsOk, again.Result.Message);
        Assert.Equal(next, again.Loaded!.Superblock);
        Assert.Equal([0u], again.Loaded.ActiveExtents.ToArray());
        Assert.Equal(0, again.Loaded.DamagedSuperblockCopies);
    }

    // The checksums of the superblocks, the log's copies and the bitmap's blocks, over what stands there now.
    private static void Seal(byte[] all, MetadataLayout layout)
    {
        for (int copy = 0; copy < 2; copy++)
            SealBlock(all.AsSpan((int)(layout.SuperblockOffset(copy) - layout.MetadataOffset), Block.Size), 12);
        ulong deviceId = BinaryPrimitives.ReadUInt64LittleEndian(all.AsSpan((int)(layout.SuperblockOffset0 - layout.MetadataOffset) + 24));
        for (int copy = 0; copy < MetadataLayout.ActivityLogPlaces * MetadataLayout.ActivityLogCopies; copy++)
        {
            Span<byte> one = all.AsSpan((int)(layout.ActivityLogOffset - layout.MetadataOffset) + copy * layout.ActivityLogTransactionBytes, layout.ActivityLogTransactionBytes);
            if (one.ContainsAnyExcept((byte)0))
                SealBlock(one, 8);
        }

        Span<byte> bitmap = all.AsSpan((int)(layout.BitmapsOffset - layout.MetadataOffset), Block.Size);
        byte[] id = BitConverter.GetBytes(deviceId);
        BinaryPrimitives.WriteUInt32LittleEndian(bitmap, Crc32C.Finish(Crc32C.Update(Crc32C.Update(Crc32C.Start, id), bitmap[4..])));
    }

    private static void SealBlock(Span<byte> block, int crcAt)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(block[crcAt..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(block[crcAt..], Crc32C.Compute(block));
    }

    private static MetadataLayout LayoutOf(bool isExternal) =>
        isExternal ? MetadataLayout.ForExternal(DiskBytes, 1, 67) : MetadataLayout.ForInternal(DiskBytes, 1, 67)!;

    private static (MemoryDevice Disk, MemoryDevice? Meta) Fresh(bool isExternal)
    {
        var disk = new MemoryDevice(DiskBytes);
        MemoryDevice? meta = isExternal ? new MemoryDevice(1 << 20) : null;
        Assert.True(VolumeMetadataStore.Create(disk, meta, new MetadataCreateOptions { Identity = Identity, DeviceId = 77, PeerNames = ["beta"], ActivityLogExtents = 67 }).IsOk);
        MetadataOpenResult opened = VolumeMetadataStore.Open(disk, meta, Identity);
        DirtyBitmap bitmap = opened.Loaded!.Bitmaps[0]!;
        bitmap.Clear(0, bitmap.BlockCount);
        bitmap.Set(5, 1);
        Assert.True(opened.Store!.WriteBitmap(0, bitmap, 0, bitmap.BlockCount).IsOk);
        PeerSlot peer = opened.Loaded.Superblock.Peers[0];
        Assert.True(opened.Store.WriteSuperblock(opened.Loaded.Superblock.WithPeer(0, peer with { Flags = PeerSlotFlags.WasConnected }) with
        {
            Flags = SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate,
            Current = new GenerationId(0x1234560),
            History = [new GenerationId(0x10), new GenerationId(0x20)],
        }).IsOk);
        uint[] table = new uint[67];
        Array.Fill(table, ActivityLogCodec.EmptySlot);
        for (ulong i = 1; i <= 5; i++)
        {
            table[i] = (uint)i % 3;
            Assert.True(opened.Store.WriteActivityLog(opened.Loaded.ActivityLogTransaction + i, table).IsOk);
        }

        return (disk, meta);
    }
}
