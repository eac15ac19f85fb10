using BlockRepl.Core;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Run;

/// <summary>A volume's disk and metadata on one node, with what is under way on them. Disk and metadata outlive the process.</summary>
internal sealed class NodeDisk
{
    private readonly Queue<DiskOperation> _metadataQueue = new();
    private VolumeMetadataStore? _store;

    public NodeDisk(string resource, string volume, string node, string peer, long bytes, ulong deviceId)
    {
        Identity = new VolumeIdentity(resource, volume, node);
        Data = new SimDisk(bytes);
        Metadata = new MetadataDevice(MetadataLayout.ForExternal(bytes, 1, Superblock.ActivityLogExtentsMin).MetadataEnd);
        MetadataResult made = VolumeMetadataStore.Create(
            new SizeOnlyDevice(Data),
            Metadata,
            new MetadataCreateOptions { Identity = Identity, DeviceId = deviceId, PeerNames = [peer], ActivityLogExtents = Superblock.ActivityLogExtentsMin });
        Check.That(made.IsOk, made.Message);
    }

    /// <summary>Whose it is.</summary>
    public VolumeIdentity Identity { get; }

    /// <summary>The data.</summary>
    public SimDisk Data { get; }

    /// <summary>The metadata.</summary>
    public MetadataDevice Metadata { get; }

    /// <summary>Data operations under way.</summary>
    public List<DiskOperation> UnderWay { get; } = [];

    /// <summary>Core has given it up, or it was not attached.</summary>
    public bool IsDetached { get; set; } = true;

    /// <summary>What Core was told that it is called: tells it from those that the volume had before.</summary>
    public ulong Serial { get; set; }

    /// <summary>Core knows that it is closed.</summary>
    public bool IsClosed { get; set; } = true;

    /// <summary>Clients' reads go straight to it.</summary>
    public bool ReadsLocally { get; set; }

    /// <summary>Nothing on it ends before that time.</summary>
    public long HangsUntilUs { get; set; }

    /// <summary>The next write fails with this.</summary>
    public DiskResult? WriteFailure { get; set; }

    /// <summary>The next flush fails.</summary>
    public bool FlushFails { get; set; }

    /// <summary>There is no room for blocks that were never written.</summary>
    public bool IsFull { get; set; }

    /// <summary>Nothing is under way.</summary>
    public bool IsQuiet => UnderWay.Count == 0 && _metadataQueue.Count == 0;

    /// <summary>The oldest metadata operation.</summary>
    public DiskOperation? MetadataUnderWay => _metadataQueue.TryPeek(out DiskOperation? first) ? first : null;

    /// <summary>Reads the metadata from its bytes, as an attach does.</summary>
    public MetadataOpenResult Open() => VolumeMetadataStore.Open(new SizeOnlyDevice(Data), Metadata, Identity);

    /// <summary>Opens it for a process. Null, or why that cannot be.</summary>
    public string? Attach(Guid bootId, out AttachedDisk? attached)
    {
        attached = null;
        MetadataOpenResult opened = Open();
        if (opened.Store is null || opened.Loaded is null)
            return $"{Identity}: {opened.Result.Message}";
        _store = opened.Store;
        IsDetached = IsClosed = false;
        attached = new AttachedDisk(
            opened.Loaded.Superblock,
            opened.Loaded.ActiveExtents,
            opened.Loaded.ActivityLogTransaction,
            [.. opened.Loaded.Bitmaps.Select(bitmap => bitmap ?? new DirtyBitmap(_store.Layout.DataBlocks))],
            _store.Layout.DataBytes,
            bootId);
        return null;
    }

    /// <summary>Queues an operation on the metadata; true if it is the first and begins now.</summary>
    public bool Queue(DiskOperation operation)
    {
        _metadataQueue.Enqueue(operation);
        return _metadataQueue.Count == 1;
    }

    /// <summary>The oldest metadata operation is over; true if another begins now.</summary>
    public bool Unqueue()
    {
        _metadataQueue.Dequeue();
        return _metadataQueue.Count > 0;
    }

    /// <summary>Carries an operation on the metadata out.</summary>
    public DiskResult CarryOut(DiskOperation operation, out GrownDisk? grown)
    {
        grown = null;
        if (operation.Note != 0)
            return _store!.WriteSuperblock(_store.Superblock with { Flags = _store.Superblock.Flags | operation.Note });
        if (operation.Kind == EffectKind.GrowDisk)
        {
            grown = Grow((GrowDisk)operation.Subject!);
            return grown.Result;
        }

        var write = (MetadataWrite)operation.Subject!;
        foreach (BitmapRange range in write.Bitmaps)
        {
            DiskResult bitmap = _store!.WriteBitmap(range.PeerSlot, range.Bitmap, range.FirstBlock, range.BlockCount);
            if (!bitmap.IsOk)
                return bitmap;
        }

        DiskResult result = write.Superblock is null
            ? DiskResult.Ok
            : _store!.WriteSuperblock(write.Superblock.DataBytes == _store.Layout.DataBytes ? write.Superblock : write.Superblock with { DataBytes = _store.Layout.DataBytes });
        return result.IsOk && write.ActivityLog is not null ? _store!.WriteActivityLog(write.ActivityLogTransaction, write.ActivityLog) : result;
    }

    /// <summary>Carries a change out, as the daemon does.</summary>
    public DiskResult Change(ChangeRequest request, Prng? tear)
    {
        if (IsFull && request.Kind != ChangeKind.Trim && NeedsRoom(request.Range))
            return DiskResult.NoSpace;
        bool isWrite = request.Kind == ChangeKind.Write;
        Data.Change(
            isWrite, request.Kind == ChangeKind.Zeroes && request.Origin != ChangeOrigin.ResyncWrite && (request.Flags & ChangeFlags.KeepAllocated) != 0,
            request.Range, isWrite ? request.Data : default, request.IsForceUnitAccess, tear);
        return DiskResult.Ok;
    }

    /// <summary>Fills a resync's chunk, or compares it.</summary>
    public DiskResult Read(ChangeRequest request, BlockBufferPool pool)
    {
        ResyncChunk chunk = request.Chunk!;
        if (request.Origin == ChangeOrigin.ResyncCompare)
        {
            byte[] mine = new byte[chunk.Range.Length];
            if (!Data.Read(chunk.Range.Offset, mine))
                return DiskResult.Io;
            chunk.Different = BlockHash.Compare(mine, chunk.Hashes);
            return DiskResult.Ok;
        }

        long end = Block.CountFor(_store!.Layout.DataBytes);
        long hole = (Data.FirstWritten(chunk.Range.FirstBlock, end) - chunk.Range.FirstBlock) << Block.Shift;
        if (hole > 0)
        {
            chunk.HoleEnd = Math.Min(chunk.Range.Offset + hole, _store.Layout.DataBytes);
            chunk.Range = chunk.Range with { Length = Math.Min(chunk.Range.Length, hole) };
            chunk.IsZeroes = true;
            return DiskResult.Ok;
        }

        chunk.Range = chunk.Range with { Length = Math.Min(chunk.Range.Length, ResyncChunk.DataBytesMax) };
        BlockBuffer buffer = pool.Rent((int)chunk.Range.Length, BufferPurpose.Resync);
        chunk.Buffer = buffer;
        bool isRead = Data.Read(chunk.Range.Offset, buffer.Span);
        chunk.IsZeroes = isRead && !buffer.Span.ContainsAnyExcept((byte)0);
        if (isRead && !chunk.IsZeroes && chunk.WantsHashes)
        {
            chunk.Hashes = BlockHash.Compute(buffer.Span);
            chunk.Buffer = null;
            buffer.Release();
        }

        return isRead ? DiskResult.Ok : DiskResult.Io;
    }

    /// <summary>Reads for a Primary without a disk: all of the range, holes and all.</summary>
    public DiskResult ReadForPeer(ResyncChunk chunk, BlockBufferPool pool)
    {
        BlockBuffer buffer = pool.Rent((int)chunk.Range.Length, BufferPurpose.PeerSend);
        chunk.Buffer = buffer;
        bool isRead = Data.Read(chunk.Range.Offset, buffer.Span[..(int)chunk.Range.Length]);
        chunk.IsZeroes = isRead && !buffer.Span[..(int)chunk.Range.Length].ContainsAnyExcept((byte)0);
        return isRead ? DiskResult.Ok : DiskResult.Io;
    }

    /// <summary>Digests a range for a comparison.</summary>
    public DiskResult Digest(VerifyChunk chunk)
    {
        byte[] content = new byte[chunk.Range.Length];
        if (!Data.Read(chunk.Range.Offset, content))
            return DiskResult.Io;
        BlockDigest.Compute(content, chunk.Digests);
        return DiskResult.Ok;
    }

    /// <summary>The process is gone: what was under way is done as far as chance says.</summary>
    public void Crash(Prng chance, long nowUs)
    {
        foreach (DiskOperation operation in UnderWay)
        {
            if (operation.Kind == EffectKind.LocalChange && HangsUntilUs <= nowUs)
                Change(operation.Request, chance);
            else if (operation.Kind == EffectKind.LocalFlush && chance.OneIn(2) && !Data.HasFlushFailed)
                Data.Flush(operation.FlushMark);
        }

        if (MetadataUnderWay is { } write && !IsDetached)
        {
            // One copy has rotted, and the write tears the other: no format with two survives that. There it is whole, or not begun.
            int sectors = chance.Below(chance.OneIn(2) ? 8 : 96);
            Metadata.SectorsLeft = !HasRotted() ? sectors : sectors % 2 == 0 ? 0 : -1;
            CarryOut(write, out _);
            Metadata.SectorsLeft = -1;
        }

        UnderWay.Clear();
        _metadataQueue.Clear();
        IsDetached = IsClosed = true;
        ReadsLocally = false;
        HangsUntilUs = 0;
        _store = null;
    }

    private bool HasRotted() => Open().Loaded is not { DamagedSuperblockCopies: 0, DamagedActivityLogCopies: 0, DamagedBitmapBlocks: 0 };

    private bool NeedsRoom(ByteRange range)
    {
        for (long block = range.FirstBlock; block < range.FirstBlock + range.BlockCount; block++)
        {
            if (Data.IsHole(block))
                return true;
        }

        return false;
    }

    private GrownDisk Grow(GrowDisk grow)
    {
        MetadataGrowth.Outcome outcome = MetadataGrowth.Grow(new SizeOnlyDevice(Data), Metadata, _store!, grow.Bitmaps, null);
        _store = outcome.Store;
        if (outcome.IsLost)
            return new GrownDisk(_store.Layout.DataBytes, false, "", outcome.Error);
        string refusal = outcome.Error.IsOk ? outcome.Refusal : $"its new size could not be taken up: {outcome.Error}";
        long end = Block.CountFor(_store.Layout.DataBytes);
        bool readsZero = grow.ServedBytes >= _store.Layout.DataBytes || Data.FirstWritten(grow.ServedBytes >> Block.Shift, end) == end;
        return new GrownDisk(_store.Layout.DataBytes, readsZero, refusal, DiskResult.Ok);
    }
}
