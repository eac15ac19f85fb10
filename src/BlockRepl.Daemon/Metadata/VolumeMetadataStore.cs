using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata;

/// <summary>
/// Writes one volume's metadata. Every write is a forced one: stable when it returns, without flushing the data that
/// shares the disk. At every moment the disk holds the old state or the new one, never neither (G8, G10).
/// </summary>
/// <remarks>
/// Not thread-safe: one thread at a time. Blocks its caller. Does not own the device. Allocates nothing but in
/// <see cref="WriteSuperblock"/>, which is rare. After an error the disk is to be detached (G11); calling again is safe.
/// </remarks>
public sealed class VolumeMetadataStore
{
    private const int BitmapPieceBytes = 1 << 20;

    private readonly IBlockDevice _device;

    internal VolumeMetadataStore(
        IBlockDevice device, MetadataLayout layout, SuperblockChoice superblock, ulong activityLogTransaction)
    {
        Check.That(superblock.Superblock is not null);
        _device = device;
        Layout = layout;
        Superblock = superblock.Superblock;
        WriteSequence = superblock.WriteSequence;
        NewestCopy = superblock.Copy;
        DurableTransaction = activityLogTransaction;
    }

    internal VolumeMetadataStore(IBlockDevice device, MetadataLayout layout, Superblock superblock, ulong writeSequence, int newestCopy, ulong durableTransaction)
    {
        _device = device;
        Layout = layout;
        Superblock = superblock;
        WriteSequence = writeSequence;
        NewestCopy = newestCopy;
        DurableTransaction = durableTransaction;
    }

    /// <summary>Write sequence of the durable superblock.</summary>
    internal ulong WriteSequence { get; private set; }

    /// <summary>Which copy of it was written first.</summary>
    internal int NewestCopy { get; private set; }

    /// <summary>The newest durable transaction of the activity log.</summary>
    internal ulong DurableTransaction { get; private set; }

    /// <summary>Where everything stands.</summary>
    public MetadataLayout Layout { get; }

    /// <summary>The superblock that the disk holds.</summary>
    public Superblock Superblock { get; private set; }

    /// <summary>
    /// Creates metadata: on <paramref name="metadataDevice"/> if given (external), else at the end of
    /// <paramref name="disk"/>. Refuses over existing metadata, and over data, unless forced. Writes no bitmap: every
    /// peer slot starts with full sync.
    /// </summary>
    public static MetadataResult Create(IBlockDevice disk, IBlockDevice? metadataDevice, MetadataCreateOptions options) =>
        MetadataCreator.Create(disk, metadataDevice, options);

    /// <summary>
    /// Reads the metadata. Changes nothing on disk. <paramref name="expected"/> is what the configuration says;
    /// <c>null</c> takes any (offline tools).
    /// </summary>
    public static MetadataOpenResult Open(IBlockDevice disk, IBlockDevice? metadataDevice, VolumeIdentity? expected) =>
        new MetadataReader(disk, metadataDevice).Open(expected);

    /// <summary>
    /// Rewrites the superblock in the newest format version, if it is in an older one. Offline only; cut at any point it leaves the old version or the new one (G15).
    /// </summary>
    public static MetadataResult Upgrade(IBlockDevice disk, IBlockDevice? metadataDevice, VolumeIdentity expected)
    {
        MetadataOpenResult opened = Open(disk, metadataDevice, expected);
        if (opened.Store is not { } store || store.Superblock.Version == SuperblockCodec.NewestVersion)
            return opened.Result;
        DiskResult result = store.WriteSuperblock(store.Superblock with { Version = SuperblockCodec.NewestVersion });
        return result.IsOk
            ? MetadataResult.Ok
            : new MetadataResult(MetadataError.DiskFailed, $"the metadata could not be written: {result}", "see the kernel log for the disk's error", result);
    }

    /// <summary>Removes the metadata: afterwards there is none, and its room reads as zeroes. Offline only.</summary>
    public static MetadataResult Wipe(IBlockDevice disk, IBlockDevice? metadataDevice) =>
        MetadataCreator.Wipe(disk, metadataDevice);

    /// <summary>
    /// Makes <paramref name="superblock"/> the durable one: first over the older or damaged copy, then, once that is
    /// stable, over the other. Kind, sizes of sections and device id cannot change.
    /// </summary>
    public DiskResult WriteSuperblock(Superblock superblock)
    {
        int first = 1 - NewestCopy;
        DiskResult result = WriteFirstCopy(superblock);
        return result.IsOk ? WriteCopy(1 - first, superblock, WriteSequence) : result;
    }

    /// <summary>The first half of <see cref="WriteSuperblock"/>: from its success on this is the superblock that an attach finds.</summary>
    internal DiskResult WriteFirstCopy(Superblock superblock)
    {
        Check.That(
            superblock.Kind == Layout.Kind && superblock.Peers.Length == Layout.PeerSlots
            && superblock.ActivityLogExtents == Layout.ActivityLogExtents && superblock.DeviceId == Superblock.DeviceId
            && superblock.DataBytes == Layout.DataBytes,
            "a superblock that does not fit its metadata");
        ulong sequence = checked(WriteSequence + 1);
        int first = 1 - NewestCopy;
        DiskResult result = WriteCopy(first, superblock, sequence);
        if (!result.IsOk)
            return result;

        // From here on the new state is what an attach would find, whatever becomes of the other copy.
        NewestCopy = first;
        WriteSequence = sequence;
        Superblock = superblock;
        return result;
    }

    /// <summary>
    /// Makes the table <paramref name="slots"/> (all places, empty ones as <see cref="ActivityLogCodec.EmptySlot"/>) the
    /// durable activity log. <paramref name="transaction"/> is greater than every one before and leaves out no number,
    /// unless a write of the number left out failed.
    /// </summary>
    public DiskResult WriteActivityLog(ulong transaction, ReadOnlySpan<uint> slots)
    {
        Check.That(slots.Length == Layout.ActivityLogExtents, "an activity log of another size");
        Check.That(
            transaction > DurableTransaction
            && transaction % MetadataLayout.ActivityLogPlaces != DurableTransaction % MetadataLayout.ActivityLogPlaces,
            "the durable transaction would be overwritten");
        int size = Layout.ActivityLogTransactionBytes;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(size * MetadataLayout.ActivityLogCopies, BufferPurpose.Metadata);
        try
        {
            ActivityLogCodec.Encode(Superblock.DeviceId, transaction, slots, buffer.Span[..size]);
            for (int copy = 1; copy < MetadataLayout.ActivityLogCopies; copy++)
                buffer.Span[..size].CopyTo(buffer.Span[(copy * size)..]);
            DiskResult result = _device.Write(Layout.ActivityLogPlaceOffset(transaction), buffer.Span, forceUnitAccess: true);
            if (result.IsOk)
                DurableTransaction = transaction;
            return result;
        }
        finally
        {
            buffer.Release();
        }
    }

    /// <summary>
    /// Makes the bits of <paramref name="blockCount"/> blocks from <paramref name="firstBlock"/> on durable, together with
    /// their neighbours in the same 4 KiB of bitmap. Clearing and setting alike: what is stable afterwards is what
    /// <paramref name="bitmap"/> says. Before the slot's full-sync flag is cleared the whole bitmap must be written once.
    /// </summary>
    public DiskResult WriteBitmap(int peerSlot, DirtyBitmap bitmap, long firstBlock, long blockCount)
    {
        // One that was handed out before the disk grew is shorter: what is new has no marks yet that count.
        Check.That(bitmap.BlockCount <= Layout.DataBlocks, "a bitmap of another size");
        Check.That(
            firstBlock >= 0 && blockCount >= 0 && firstBlock <= bitmap.BlockCount
            && blockCount <= bitmap.BlockCount - firstBlock,
            "blocks beyond the bitmap");
        if (blockCount == 0)
            return DiskResult.Ok;
        long index = firstBlock / BitmapBlockCodec.BitsPerBlock;
        long last = (firstBlock + blockCount - 1) / BitmapBlockCodec.BitsPerBlock;
        int pieceBytes = (int)Math.Min((last - index + 1) * Block.Size, BitmapPieceBytes);
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(pieceBytes, BufferPurpose.Metadata);
        try
        {
            while (index <= last)
            {
                int count = (int)Math.Min(last - index + 1, pieceBytes / Block.Size);
                for (int i = 0; i < count; i++)
                {
                    BitmapBlockCodec.Encode(
                        Superblock.DeviceId, peerSlot, index + i, bitmap, buffer.Span.Slice(i * Block.Size, Block.Size));
                }

                DiskResult result = _device.Write(
                    Layout.BitmapBlockOffset(peerSlot, index), buffer.Span[..(count * Block.Size)], forceUnitAccess: true);
                if (!result.IsOk)
                    return result;
                index += count;
            }
        }
        finally
        {
            buffer.Release();
        }

        return DiskResult.Ok;
    }

    private DiskResult WriteCopy(int copy, Superblock superblock, ulong sequence)
    {
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(MetadataLayout.SuperblockBytes, BufferPurpose.Metadata);
        try
        {
            SuperblockCodec.Encode(superblock, sequence, buffer.Span);
            return _device.Write(Layout.SuperblockOffset(copy), buffer.Span, forceUnitAccess: true);
        }
        finally
        {
            buffer.Release();
        }
    }
}
