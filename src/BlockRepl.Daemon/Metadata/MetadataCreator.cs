using System.Collections.Immutable;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata;

/// <summary>Creates and removes metadata, offline.</summary>
internal static class MetadataCreator
{
    private const int PieceBytes = 1 << 20;

    public static MetadataResult Create(IBlockDevice disk, IBlockDevice? metadataDevice, MetadataCreateOptions options)
    {
        Check.That(options.PeerNames.Length <= options.PeerSlots, "more peers than slots");
        IBlockDevice device = metadataDevice ?? disk;
        MetadataLayout? layout = metadataDevice is null
            ? MetadataLayout.ForInternal(disk.SizeBytes, options.PeerSlots, options.ActivityLogExtents)
            : MetadataLayout.ForExternal(disk.SizeBytes, options.PeerSlots, options.ActivityLogExtents);
        if (layout is null || layout.DataBytes == 0 || device.SizeBytes < layout.MetadataEnd)
        {
            return new MetadataResult(
                MetadataError.NoRoom,
                layout is null || layout.DataBytes == 0
                    ? $"the disk has {disk.SizeBytes} bytes, which leaves no room for data beside its metadata"
                    : $"the metadata needs {layout.MetadataEnd} bytes, its device has {device.SizeBytes}",
                "use a larger device");
        }

        if (!options.Force)
        {
            MetadataResult free = CheckFree(disk, metadataDevice, device, layout);
            if (!free.IsOk)
                return free;
        }

        // The old superblocks go first: a crash in between leaves no metadata rather than old and new in a mix.
        DiskResult result = ClearSuperblocks(device, layout);
        if (result.IsOk)
            result = WriteEmptyActivityLog(device, layout, options.DeviceId);
        if (result.IsOk)
            result = WriteFirstSuperblocks(device, layout, options);
        return result.IsOk ? MetadataResult.Ok : Failed("written", result);
    }

    public static MetadataResult Wipe(IBlockDevice disk, IBlockDevice? metadataDevice)
    {
        IBlockDevice device = metadataDevice ?? disk;
        MetadataResult found = new MetadataReader(disk, metadataDevice).ReadSuperblock(out SuperblockChoice choice);
        if (found.Error == MetadataError.NoMetadata)
            return found;
        MetadataLayout? layout = choice.Superblock is not { } superblock
            ? null
            : metadataDevice is null
                ? MetadataLayout.ForInternal(disk.SizeBytes, superblock.Peers.Length, superblock.ActivityLogExtents)
                : MetadataLayout.ForExternal(superblock.DataBytes, superblock.Peers.Length, superblock.ActivityLogExtents);
        MetadataKind kind = metadataDevice is null ? MetadataKind.Internal : MetadataKind.External;
        long span = MetadataLayout.FindSuperblock0(kind, device.SizeBytes);
        DiskResult result = ClearSuperblocks(device, span);
        // What a damaged superblock's other sections were cannot be told: only the superblocks go then.
        bool known = layout is not null && layout.MetadataEnd <= device.SizeBytes && choice.Superblock!.DataBytes == layout.DataBytes;
        if (result.IsOk && known)
            result = device.WriteZeroes(layout!.MetadataOffset, layout.MetadataBytes, mayPunchHole: true, fastOnly: false);
        if (result.IsOk)
            result = device.Flush();
        return result.IsOk ? MetadataResult.Ok : Failed("wiped", result);
    }

    private static MetadataResult CheckFree(
        IBlockDevice disk, IBlockDevice? metadataDevice, IBlockDevice device, MetadataLayout layout)
    {
        const string Hint = "--force overwrites it";
        if (HasSuperblock(device, layout.Kind))
            return new MetadataResult(MetadataError.AlreadyExists, "there is metadata already", Hint);
        // A disk that moves from internal to external metadata would be exported with its old metadata in it.
        if (metadataDevice is not null && HasSuperblock(disk, MetadataKind.Internal))
        {
            return new MetadataResult(
                MetadataError.AlreadyExists, "the disk has internal metadata at its end", "wipe it first, or use --force");
        }

        DiskResult result = FindData(device, layout.MetadataOffset, layout.MetadataBytes, out long found);
        if (!result.IsOk)
            return Failed("read", result);
        return found < 0
            ? MetadataResult.Ok
            : new MetadataResult(
                MetadataError.DataInTheWay,
                $"there is data at byte {found}, where the metadata would go ({layout.MetadataOffset} to {layout.MetadataEnd})",
                layout.Kind == MetadataKind.Internal
                    ? "--force overwrites it; a disk whose data must stay needs a meta-disk of its own"
                    : Hint);
    }

    /// <summary>Anything that was once ours counts, damaged or of another version.</summary>
    private static bool HasSuperblock(IBlockDevice device, MetadataKind kind)
    {
        SuperblockError[] foreign = [SuperblockError.Blank, SuperblockError.BadMagic];
        IBlockDevice? metadataDevice = kind == MetadataKind.Internal ? null : device;
        new MetadataReader(device, metadataDevice).ReadSuperblock(out SuperblockChoice choice);
        return MetadataLayout.FindSuperblock0(kind, device.SizeBytes) >= 0
            && !(foreign.Contains(choice.Copy0.Error) && foreign.Contains(choice.Copy1.Error));
    }

    /// <summary>The first byte of the range that is not zero, or -1. Holes are skipped without reading them.</summary>
    private static DiskResult FindData(IBlockDevice device, long offset, long length, out long found)
    {
        found = -1;
        byte[] piece = new byte[PieceBytes];
        long end = offset + length;
        while (offset < end)
        {
            DiskResult result = device.GetExtent(offset, end - offset, out DeviceExtent extent);
            if (!result.IsOk)
                return result;
            if (extent.IsHole)
            {
                offset += extent.Length;
                continue;
            }

            Span<byte> part = piece.AsSpan(0, (int)Math.Min(extent.Length, PieceBytes));
            result = device.Read(offset, part);
            if (!result.IsOk)
                return result;
            int at = part.IndexOfAnyExcept((byte)0);
            if (at >= 0)
            {
                found = offset + at;
                return DiskResult.Ok;
            }

            offset += part.Length;
        }

        return DiskResult.Ok;
    }

    private static DiskResult ClearSuperblocks(IBlockDevice device, MetadataLayout layout) =>
        ClearSuperblocks(device, layout.SuperblockOffset0);

    private static DiskResult ClearSuperblocks(IBlockDevice device, long offset0)
    {
        byte[] zeroes = new byte[MetadataLayout.SuperblockBytes];
        DiskResult result = device.Write(offset0, zeroes, forceUnitAccess: true);
        return result.IsOk
            ? device.Write(
                offset0 + MetadataLayout.SuperblockSpanBytes - MetadataLayout.SuperblockBytes, zeroes, forceUnitAccess: true)
            : result;
    }

    /// <summary>Every place gets an intact, empty transaction, so that whatever is damaged later is seen as damage.</summary>
    private static DiskResult WriteEmptyActivityLog(IBlockDevice device, MetadataLayout layout, ulong deviceId)
    {
        uint[] empty = new uint[layout.ActivityLogExtents];
        Array.Fill(empty, ActivityLogCodec.EmptySlot);
        int size = layout.ActivityLogTransactionBytes;
        byte[] place = new byte[size * MetadataLayout.ActivityLogCopies];
        for (ulong transaction = 1; transaction <= MetadataLayout.ActivityLogPlaces; transaction++)
        {
            for (int copy = 0; copy < MetadataLayout.ActivityLogCopies; copy++)
                ActivityLogCodec.Encode(deviceId, transaction, empty, place.AsSpan(copy * size, size));
            DiskResult result = device.Write(layout.ActivityLogPlaceOffset(transaction), place, forceUnitAccess: true);
            if (!result.IsOk)
                return result;
        }

        return DiskResult.Ok;
    }

    private static DiskResult WriteFirstSuperblocks(IBlockDevice device, MetadataLayout layout, MetadataCreateOptions options)
    {
        var peers = ImmutableArray.CreateBuilder<PeerSlot>(options.PeerSlots);
        for (int i = 0; i < options.PeerSlots; i++)
            peers.Add(i < options.PeerNames.Length ? PeerSlot.Free with { NodeName = options.PeerNames[i] } : PeerSlot.Free);
        var superblock = new Superblock
        {
            ResourceName = options.Identity.ResourceName,
            VolumeName = options.Identity.VolumeName,
            NodeName = options.Identity.NodeName,
            DeviceId = options.DeviceId,
            Kind = layout.Kind,
            DataBytes = layout.DataBytes,
            ActivityLogExtents = options.ActivityLogExtents,
            Flags = SuperblockFlags.CleanShutdown,
            Peers = peers.MoveToImmutable(),
        };
        byte[] bytes = new byte[MetadataLayout.SuperblockBytes];
        SuperblockCodec.Encode(superblock, writeSequence: 1, bytes);
        DiskResult result = device.Write(layout.SuperblockOffset0, bytes, forceUnitAccess: true);
        return result.IsOk ? device.Write(layout.SuperblockOffset1, bytes, forceUnitAccess: true) : result;
    }

    private static MetadataResult Failed(string what, DiskResult result) => new(
        MetadataError.DiskFailed, $"the metadata could not be {what}: {result}", "see the kernel log for the disk's error", result);
}
