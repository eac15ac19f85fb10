using System.Collections.Immutable;
using System.Globalization;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata;

/// <summary>Reads a volume's metadata and judges it. Changes nothing on disk.</summary>
/// <param name="disk">The disk with the data.</param>
/// <param name="metadataDevice">The metadata's own device, or <c>null</c> for internal metadata.</param>
internal sealed class MetadataReader(IBlockDevice disk, IBlockDevice? metadataDevice)
{
    private const int PieceBytes = 1 << 20;

    private readonly IBlockDevice _device = metadataDevice ?? disk;
    private readonly MetadataKind _kind = metadataDevice is null ? MetadataKind.Internal : MetadataKind.External;
    private readonly List<string> _warnings = [];

    // Of a disk whose metadata is being moved to its new end: the size that the metadata that counts was made for.
    private long _diskBytes = disk.SizeBytes;
    private Signpost? _unfinished;

    public MetadataOpenResult Open(VolumeIdentity? expected)
    {
        MetadataResult result = ReadSuperblock(out SuperblockChoice choice);
        if (FindSignpost() is { } signpost)
        {
            // Also beside a torn superblock: the first of the new place was cut while it was written, so the old place still counts.
            if (result.Error is MetadataError.NoMetadata or MetadataError.Damaged)
            {
                _diskBytes = signpost.DiskBytes;
                result = ReadSuperblock(out choice);
                if (choice.Superblock is { } old && old.DeviceId != signpost.DeviceId)
                    result = NoMetadata();
                else if (result.IsOk)
                    _warnings.Add($"the disk has grown from {signpost.DiskBytes} to {disk.SizeBytes} bytes; its metadata is still at the old end: resize moves it");
            }
            else if (choice.Superblock is { } moved && moved.DeviceId == signpost.DeviceId)
            {
                _unfinished = signpost;
                _warnings.Add("moving the metadata of the grown disk was cut after the new place was complete; it is finished now");
            }
        }

        if (!result.IsOk)
            return Refused(result);
        Superblock superblock = choice.Superblock!;
        result = CheckFits(superblock, expected, out MetadataLayout? layout);
        if (!result.IsOk || layout is null)
            return Refused(result);
        if (choice.DamagedCopies > 0)
        {
            SuperblockError why = choice.Copy == 0 ? choice.Copy1.Error : choice.Copy0.Error;
            _warnings.Add($"superblock copy {1 - choice.Copy} is not intact ({why}); the other copy is used and the next write mends it");
        }

        result = ReadActivityLog(superblock, layout, out ActivityLogChoice log, out ImmutableArray<uint> active);
        if (!result.IsOk)
            return Refused(result);
        var bitmaps = ImmutableArray.CreateBuilder<DirtyBitmap?>(layout.PeerSlots);
        long damagedBlocks = 0;
        for (int slot = 0; slot < layout.PeerSlots; slot++)
            bitmaps.Add(ReadBitmap(superblock, layout, slot, ref damagedBlocks));
        var loaded = new LoadedMetadata
        {
            Superblock = superblock,
            ActivityLogTransaction = log.Transaction,
            ActiveExtents = active,
            Bitmaps = bitmaps.MoveToImmutable(),
            Warnings = [.. _warnings],
            DamagedSuperblockCopies = choice.DamagedCopies,
            DamagedActivityLogCopies = log.DamagedCopies,
            DamagedBitmapBlocks = damagedBlocks,
            UnfinishedMove = _unfinished,
        };
        return new MetadataOpenResult(
            MetadataResult.Ok, new VolumeMetadataStore(_device, layout, choice, log.Transaction), loaded);
    }

    private long SizeOfDevice => metadataDevice is null ? _diskBytes : metadataDevice.SizeBytes;

    /// <summary>A signpost at the end of the disk, where the superblocks would be; null if there is none, or if it points nowhere.</summary>
    private Signpost? FindSignpost()
    {
        long offset0 = metadataDevice is null ? MetadataLayout.FindSuperblock0(_kind, disk.SizeBytes) : -1;
        if (offset0 < 0)
            return null;
        byte[] block = new byte[Block.Size];
        foreach (long offset in new[] { offset0, offset0 + MetadataLayout.SuperblockSpanBytes - MetadataLayout.SuperblockBytes })
        {
            if (disk.Read(offset, block).IsOk && Signpost.Decode(block) is { } found && found.DiskBytes < disk.SizeBytes)
                return found;
        }

        return null;
    }

    /// <summary>Reads and chooses between the two copies; an unreadable copy counts as a damaged one.</summary>
    public MetadataResult ReadSuperblock(out SuperblockChoice choice)
    {
        choice = default;
        long offset0 = MetadataLayout.FindSuperblock0(_kind, SizeOfDevice);
        if (offset0 < 0)
            return NoMetadata();
        choice = SuperblockCodec.Choose(
            ReadCopy(offset0), ReadCopy(offset0 + MetadataLayout.SuperblockSpanBytes - MetadataLayout.SuperblockBytes));
        return choice.Error switch
        {
            SuperblockError.None => MetadataResult.Ok,
            SuperblockError.Blank or SuperblockError.BadMagic => NoMetadata(),
            SuperblockError.UnknownVersion => new MetadataResult(
                MetadataError.UnknownVersion,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the metadata has format version {choice.UnknownVersion}, this program knows version {SuperblockCodec.OldestVersion} to {SuperblockCodec.NewestVersion}"),
                "use the release that wrote it, or a newer one"),
            _ => new MetadataResult(
                MetadataError.Damaged,
                $"both copies of the superblock are damaged ({choice.Copy0.Error}, {choice.Copy1.Error})",
                "create-md --force makes new metadata; the volume is then resynced in full from its peer"),
        };
    }

    private MetadataResult CheckFits(Superblock superblock, VolumeIdentity? expected, out MetadataLayout? layout)
    {
        layout = null;
        if (superblock.Kind != _kind)
        {
            return new MetadataResult(
                MetadataError.OtherKind,
                $"the metadata is {superblock.Kind}, the configuration says {_kind}",
                "correct meta-disk in the configuration");
        }

        var found = new VolumeIdentity(superblock.ResourceName, superblock.VolumeName, superblock.NodeName);
        if (expected is not null && expected != found)
        {
            return new MetadataResult(
                MetadataError.OtherVolume,
                $"the metadata is that of {found}, not of {expected}",
                "correct the disk in the configuration, or wipe-md if the old volume is gone for good");
        }

        if (superblock.ActivityLogExtentBytes != Superblock.DefaultExtentBytes)
        {
            // The format has room for others; read as if they were of the one size that this program knows, the log's numbers would name other places (G8).
            return new MetadataResult(
                MetadataError.UnknownVersion,
                string.Create(CultureInfo.InvariantCulture, $"the activity log counts extents of {superblock.ActivityLogExtentBytes} bytes, this program knows {Superblock.DefaultExtentBytes}"),
                "use the release that wrote it, or a newer one");
        }

        layout = _kind == MetadataKind.Internal
            ? MetadataLayout.ForInternal(_diskBytes, superblock.Peers.Length, superblock.ActivityLogExtents)
            : MetadataLayout.ForExternal(superblock.DataBytes, superblock.Peers.Length, superblock.ActivityLogExtents);
        long available = _kind == MetadataKind.Internal ? layout?.DataBytes ?? 0 : disk.SizeBytes;
        if (available < superblock.DataBytes)
        {
            return new MetadataResult(
                MetadataError.DiskTooSmall,
                $"the disk has room for {available} bytes of data, its metadata says {superblock.DataBytes}",
                "give the disk its size back; a volume is never cut to a smaller disk");
        }

        if (layout!.DataBytes != superblock.DataBytes)
        {
            return new MetadataResult(
                MetadataError.SizeChanged,
                $"the disk's metadata is for {superblock.DataBytes} bytes of data, its size gives {layout.DataBytes}",
                "give the disk its former size back");
        }

        return _device.SizeBytes >= layout.MetadataEnd
            ? MetadataResult.Ok
            : new MetadataResult(
                MetadataError.NoRoom,
                $"the metadata needs {layout.MetadataEnd} bytes, its device has {_device.SizeBytes}",
                "give the metadata's device its size back");
    }

    private MetadataResult ReadActivityLog(
        Superblock superblock, MetadataLayout layout, out ActivityLogChoice choice, out ImmutableArray<uint> active)
    {
        BlockBuffer ring = BlockBufferPool.Shared.Rent((int)layout.ActivityLogRingBytes, BufferPurpose.Metadata);
        try
        {
            ReadPiece(layout.ActivityLogOffset, ring.Span);
            choice = ActivityLogCodec.ChooseNewest(ring.Span, superblock.DeviceId, layout.ActivityLogExtents);
            active = [];
            if (choice.UnknownVersionCopies > 0)
            {
                return new MetadataResult(
                    MetadataError.UnknownVersion,
                    $"the activity log has a format version other than {ActivityLogCodec.Version}",
                    "use the release that wrote it, or a newer one");
            }

            if (choice.DamagedCopies > 0)
                _warnings.Add($"{choice.DamagedCopies} copies of activity log transactions are not intact; transaction {choice.Transaction} is the newest that is");
            long extentCount = (layout.DataBytes + superblock.ActivityLogExtentBytes - 1) / superblock.ActivityLogExtentBytes;
            active = choice.Index >= 0
                ? ActiveOf(ring.Span, choice.Index, superblock, layout, extentCount)
                : WithoutLog(superblock, extentCount);
            return MetadataResult.Ok;
        }
        finally
        {
            ring.Release();
        }
    }

    private ImmutableArray<uint> ActiveOf(
        ReadOnlySpan<byte> ring, int index, Superblock superblock, MetadataLayout layout, long extentCount)
    {
        int size = layout.ActivityLogTransactionBytes;
        uint[] slots = new uint[layout.ActivityLogExtents];
        ActivityLogError error = ActivityLogCodec.TryDecode(ring.Slice(index * size, size), superblock.DeviceId, slots, out _);
        Check.That(error == ActivityLogError.None, "the chosen transaction does not decode");
        var active = ImmutableArray.CreateBuilder<uint>();
        foreach (uint extent in slots)
        {
            if (extent == ActivityLogCodec.EmptySlot)
                continue;
            if (extent < extentCount)
                active.Add(extent);
            else
                _warnings.Add($"the activity log names extent {extent}, the volume has {extentCount}; it is left out");
        }

        return active.ToImmutable();
    }

    /// <summary>Without a log nobody knows what was being written: everything, unless the shutdown was a clean one (G8).</summary>
    private ImmutableArray<uint> WithoutLog(Superblock superblock, long extentCount)
    {
        if ((superblock.Flags & SuperblockFlags.CleanShutdown) != 0)
        {
            _warnings.Add("no activity log transaction is intact; the shutdown was clean, so the log was empty");
            return [];
        }

        _warnings.Add("no activity log transaction is intact; every extent is taken as active");
        var all = ImmutableArray.CreateBuilder<uint>(checked((int)extentCount));
        for (uint extent = 0; extent < extentCount; extent++)
            all.Add(extent);
        return all.MoveToImmutable();
    }

    private DirtyBitmap? ReadBitmap(Superblock superblock, MetadataLayout layout, int slot, ref long damagedTotal)
    {
        PeerSlot peer = superblock.Peers[slot];
        if (peer.IsFree)
            return null;
        var bitmap = new DirtyBitmap(layout.DataBlocks);
        if ((peer.Flags & PeerSlotFlags.FullSync) != 0)
        {
            bitmap.SetAll();
            return bitmap;
        }

        long blocks = BitmapBlockCodec.BlocksFor(layout.DataBlocks);
        long damaged = 0;
        BlockBuffer piece = BlockBufferPool.Shared.Rent(PieceBytes, BufferPurpose.Metadata);
        try
        {
            for (long index = 0; index < blocks;)
            {
                int count = (int)Math.Min(blocks - index, PieceBytes / Block.Size);
                Span<byte> bytes = piece.Span[..(count * Block.Size)];
                ReadPiece(layout.BitmapBlockOffset(slot, index), bytes);
                for (int i = 0; i < count; i++, index++)
                {
                    if (!BitmapBlockCodec.DecodeInto(
                            bytes.Slice(i * Block.Size, Block.Size), superblock.DeviceId, slot, index, bitmap))
                    {
                        damaged++;
                    }
                }
            }
        }
        finally
        {
            piece.Release();
        }

        if (damaged > 0)
            _warnings.Add($"{damaged} of {blocks} bitmap blocks for peer {peer.NodeName} are not intact and are taken as out-of-sync");
        damagedTotal += damaged;
        return bitmap;
    }

    /// <summary>
    /// Reads a run of 4 KiB blocks. If the run fails it is read block by block, and a block that cannot be read becomes
    /// one that cannot be intact: a rotten sector costs what it holds and no more.
    /// </summary>
    private void ReadPiece(long offset, Span<byte> destination)
    {
        if (_device.Read(offset, destination).IsOk)
            return;
        int unreadable = 0;
        for (int at = 0; at < destination.Length; at += Block.Size)
        {
            if (_device.Read(offset + at, destination.Slice(at, Block.Size)).IsOk)
                continue;
            destination.Slice(at, Block.Size).Fill(0xFF);
            unreadable++;
        }

        if (unreadable > 0)
            _warnings.Add($"{unreadable} blocks of metadata from offset {offset} on cannot be read");
    }

    private SuperblockRead ReadCopy(long offset)
    {
        byte[] bytes = new byte[MetadataLayout.SuperblockBytes];
        DiskResult result = _device.Read(offset, bytes);
        if (result.IsOk)
            return SuperblockCodec.Decode(bytes);
        _warnings.Add($"the superblock copy at offset {offset} cannot be read: {result}");
        return new SuperblockRead(SuperblockError.BadChecksum, null, 0, 0);
    }

    private MetadataResult NoMetadata() => new(
        MetadataError.NoMetadata,
        _kind == MetadataKind.Internal
            ? $"there is no metadata at the end of the disk ({_device.SizeBytes} bytes)"
            : "there is no metadata on the metadata's device",
        _kind == MetadataKind.Internal
            ? "create-md makes it; if it was there, the disk's size has changed: give it its former size back, or if it has grown say the former size: blockrepl resize --offline --old-size SIZE"
            : "create-md makes it");

    private static MetadataOpenResult Refused(MetadataResult result) => new(result, null, null);
}
