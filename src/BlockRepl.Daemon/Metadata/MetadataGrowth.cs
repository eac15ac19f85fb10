using System.Collections.Immutable;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata;

/// <summary>
/// Takes up a larger disk (hard part 14). Internal metadata moves to the disk's new end: signposts there first, then everything but the superblocks, then one superblock, from which on the new
/// place counts; then the old place is zeroed, and the second superblock written. External metadata gets longer bitmaps, then a superblock that says so. Every write is stable
/// before the next.
/// </summary>
/// <remarks>Cut at any write an attach finds the old metadata or the new, whole. One thread at a time, and no other metadata write meanwhile.</remarks>
internal static class MetadataGrowth
{
    /// <summary>What came of it.</summary>
    /// <param name="Store">Writes the metadata from here on; the same as before if nothing was done.</param>
    /// <param name="Refusal">Why the new size cannot be taken up; all is as before. Empty if it was taken up, or if the disk has not grown.</param>
    /// <param name="Error">A write failed. Where <paramref name="IsLost"/> is false all is as before.</param>
    /// <param name="IsLost">The new place counts, but is not complete: the disk must not be used further.</param>
    public sealed record Outcome(VolumeMetadataStore Store, string Refusal, DiskResult Error, bool IsLost);

    /// <summary>
    /// Takes up the size that <paramref name="disk"/> has now, or that it gets: a regular file is made as long as <paramref name="fileBytes"/> says, if that is more.
    /// </summary>
    public static Outcome Grow(
        IBlockDevice disk, IBlockDevice? metadataDevice, VolumeMetadataStore store, ImmutableArray<DirtyBitmap?> bitmaps, long? fileBytes)
    {
        long size = disk.RefreshSize();
        long wanted = Math.Max(size, fileBytes ?? 0);
        if (wanted > size && !disk.CanExtend)
            wanted = size;
        return metadataDevice is null
            ? GrowInternal(disk, store, bitmaps, size, wanted)
            : GrowExternal(disk, metadataDevice, store, bitmaps, size, wanted);
    }

    /// <summary>Finishes a move that was cut after the new place began to count: what is left of the old place goes.</summary>
    public static DiskResult Finish(IBlockDevice disk, VolumeMetadataStore store, Signpost from)
    {
        MetadataLayout old = MetadataLayout.ForInternal(from.DiskBytes, store.Layout.PeerSlots, store.Layout.ActivityLogExtents)!;
        DiskResult result = Forget(disk, old);
        return result.IsOk ? store.WriteSuperblock(store.Superblock) : result;
    }

    /// <summary>Lets a disk be attached that has grown while nobody had it: signposts at its new end to the metadata at the old one, after a look that it is there.</summary>
    public static MetadataResult PointToOldEnd(IBlockDevice disk, long oldBytes, VolumeIdentity identity)
    {
        long oldEnd = oldBytes & ~(long)(Block.Size - 1);
        long newEnd = disk.SizeBytes & ~(long)(Block.Size - 1);
        if (VolumeMetadataStore.Open(disk, null, identity).Result is { Error: not MetadataError.NoMetadata } found)
            return found.IsOk ? new MetadataResult(MetadataError.AlreadyExists, "the metadata is found as it is", "bring it up") : found;
        if (newEnd - oldEnd < MetadataLayout.SuperblockSpanBytes)
        {
            return new MetadataResult(
                MetadataError.SizeChanged, $"the disk has {disk.SizeBytes} bytes, which is not {MetadataLayout.SuperblockSpanBytes} more than {oldBytes}", "say the size that it had before it grew, or let it grow further");
        }

        using var window = new SubrangeDevice(disk, 0, oldEnd);
        MetadataOpenResult old = VolumeMetadataStore.Open(window, null, identity);
        if (old.Store is null)
            return old.Result;
        long first = MetadataLayout.FindSuperblock0(MetadataKind.Internal, disk.SizeBytes);
        var block = new byte[Block.Size];
        new Signpost(old.Store.Superblock.DeviceId, oldEnd).Encode(block);
        DiskResult result = disk.Write(first + MetadataLayout.SuperblockSpanBytes - Block.Size, block, forceUnitAccess: true);
        if (result.IsOk)
            result = disk.Write(first, block, forceUnitAccess: true);
        return result.IsOk ? MetadataResult.Ok : new MetadataResult(MetadataError.DiskFailed, $"the disk could not be written: {result}", "see the kernel log for the disk's error", result);
    }

    private static Outcome GrowInternal(IBlockDevice disk, VolumeMetadataStore store, ImmutableArray<DirtyBitmap?> bitmaps, long size, long wanted)
    {
        MetadataLayout old = store.Layout;
        MetadataLayout next = MetadataLayout.ForInternal(wanted, old.PeerSlots, old.ActivityLogExtents)!;
        if (next.MetadataEnd == old.MetadataEnd)
            return new Outcome(store, "", DiskResult.Ok, false);
        if (next.MetadataOffset < old.MetadataEnd)
        {
            long needed = old.MetadataEnd - next.MetadataOffset;
            return new Outcome(store, $"the disk has grown by {next.MetadataEnd - old.MetadataEnd} bytes, which is too little to move its metadata; it takes {needed} more", DiskResult.Ok, false);
        }

        if (next.DataBytes > Superblock.DataBytesMax)
            return new Outcome(store, $"a volume has {Superblock.DataBytesMax} bytes at most", DiskResult.Ok, false);
        var block = new byte[Block.Size];
        new Signpost(store.Superblock.DeviceId, old.MetadataEnd).Encode(block);
        DiskResult result = wanted > size
            ? disk.Extend(wanted, [.. block, .. new byte[wanted - next.MetadataEnd]])
            : disk.Write(next.SuperblockOffset1, block, forceUnitAccess: true);
        if (result.IsOk)
            result = disk.Write(next.SuperblockOffset0, block, forceUnitAccess: true);
        if (result.IsOk)
            result = CopyActivityLog(disk, old, next);
        Superblock superblock = store.Superblock with { DataBytes = next.DataBytes };
        var moved = new VolumeMetadataStore(disk, next, superblock, store.WriteSequence, newestCopy: 0, store.DurableTransaction);
        if (result.IsOk)
            result = WriteBitmaps(moved, bitmaps);
        if (!result.IsOk)
            return new Outcome(store, "", result, false);
        result = moved.WriteFirstCopy(superblock);
        if (!result.IsOk)
            return new Outcome(moved, "", result, true);
        result = Forget(disk, old);
        if (result.IsOk)
            result = moved.WriteSuperblock(superblock);
        return new Outcome(moved, "", result, !result.IsOk);
    }

    private static Outcome GrowExternal(
        IBlockDevice disk, IBlockDevice metadataDevice, VolumeMetadataStore store, ImmutableArray<DirtyBitmap?> bitmaps, long size, long wanted)
    {
        MetadataLayout old = store.Layout;
        MetadataLayout next = MetadataLayout.ForExternal(wanted, old.PeerSlots, old.ActivityLogExtents);
        if (wanted <= old.DataBytes)
            return new Outcome(store, "", DiskResult.Ok, false);
        if (wanted > Superblock.DataBytesMax)
            return new Outcome(store, $"a volume has {Superblock.DataBytesMax} bytes at most", DiskResult.Ok, false);
        if (old.PeerSlots > 1 && next.BitmapBlocksPerSlot != old.BitmapBlocksPerSlot)
            return new Outcome(store, $"its metadata has room for {old.PeerSlots} peers, which cannot be moved apart", DiskResult.Ok, false);
        if (metadataDevice.RefreshSize() < next.MetadataEnd && !metadataDevice.CanExtend)
            return new Outcome(store, $"its metadata needs {next.MetadataEnd} bytes, their device has {metadataDevice.SizeBytes}", DiskResult.Ok, false);
        DiskResult result = wanted > size ? disk.Extend(wanted, []) : DiskResult.Ok;
        if (result.IsOk && metadataDevice.SizeBytes < next.MetadataEnd)
            result = metadataDevice.Extend(next.MetadataEnd, []);
        Superblock superblock = store.Superblock with { DataBytes = wanted };
        var grown = new VolumeMetadataStore(metadataDevice, next, superblock, store.WriteSequence, store.NewestCopy, store.DurableTransaction);
        if (result.IsOk)
            result = WriteBitmaps(grown, bitmaps);
        if (!result.IsOk)
            return new Outcome(store, "", result, false);
        result = grown.WriteSuperblock(superblock);
        return new Outcome(grown, "", result, !result.IsOk);
    }

    // Whole, and as long as the new place wants them: a block that was never written would read as out-of-sync.
    private static DiskResult WriteBitmaps(VolumeMetadataStore store, ImmutableArray<DirtyBitmap?> bitmaps)
    {
        for (int slot = 0; slot < bitmaps.Length; slot++)
        {
            if (bitmaps[slot] is not { } bitmap)
                continue;
            DirtyBitmap whole = bitmap.BlockCount < store.Layout.DataBlocks ? bitmap.Grown(store.Layout.DataBlocks) : bitmap;
            DiskResult result = store.WriteBitmap(slot, whole, 0, whole.BlockCount);
            if (!result.IsOk)
                return result;
        }

        return DiskResult.Ok;
    }

    private static DiskResult CopyActivityLog(IBlockDevice disk, MetadataLayout old, MetadataLayout next)
    {
        BlockBuffer ring = BlockBufferPool.Shared.Rent(checked((int)old.ActivityLogRingBytes), BufferPurpose.Metadata);
        try
        {
            DiskResult result = disk.Read(old.ActivityLogOffset, ring.Span);
            return result.IsOk ? disk.Write(next.ActivityLogOffset, ring.Span, forceUnitAccess: true) : result;
        }
        finally
        {
            ring.Release();
        }
    }

    // An old superblock must not be found again by a disk that is made smaller; and what is served there later begins as zeroes.
    private static DiskResult Forget(IBlockDevice disk, MetadataLayout old)
    {
        DiskResult result = disk.WriteZeroes(old.MetadataOffset, old.MetadataBytes, mayPunchHole: true, fastOnly: false);
        return result.IsOk ? disk.Flush() : result;
    }
}
