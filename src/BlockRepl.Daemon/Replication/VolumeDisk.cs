using BlockRepl.Core;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// One attached disk of a volume: its data area, its metadata, and how many calls are inside. Data calls are thread-safe; metadata is written by the
/// metadata thread alone. After <see cref="Detach()"/> every call fails with EIO; the devices are closed when the last one has left, so that a
/// call that hangs never touches a reused descriptor (hard part 17).
/// </summary>
internal sealed class VolumeDisk : IDisposable
{
    private const int Closing = 1 << 30;

    private readonly IBlockDevice _disk;
    private readonly IBlockDevice? _metadataDevice;
    private volatile SubrangeDevice _data;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _hung = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _users;
    private int _closing;

    public VolumeDisk(IBlockDevice disk, IBlockDevice? metadataDevice, VolumeMetadataStore metadata)
    {
        _disk = disk;
        _metadataDevice = metadataDevice;
        Metadata = metadata;

        // Also with external metadata: a disk that has grown has no bitmap for what is new.
        _data = new SubrangeDevice(disk, 0, metadata.Layout.DataBytes);
    }

    /// <summary>Tells this disk from those that its volume had before, in what Core is told of it.</summary>
    public ulong Serial { get; set; }

    /// <summary>The metadata; one thread at a time.</summary>
    public VolumeMetadataStore Metadata { get; private set; }

    /// <summary>Bytes of the data area.</summary>
    public long DataBytes => _data.SizeBytes;

    public DeviceCapabilities Capabilities => _data.Capabilities;

    /// <summary>The disk's own threads. Set before it is attached.</summary>
    public DiskThreads? Threads { get; set; }

    /// <summary>How the disk is read and written.</summary>
    public DeviceIo Io { get; init; }

    /// <summary>The way to it for many requests at once; null where there are only calls. Set before it is attached.</summary>
    public DiskQueue? Queue { get; set; }

    /// <summary>Who is inside the disk's calls, and those of a metadata device of its own.</summary>
    public DiskWatch[] Watches { get; init; } = [];

    /// <summary>No call gets in any more.</summary>
    public bool IsDetached => (Volatile.Read(ref _users) & Closing) != 0;

    /// <summary>Completes when the devices are closed.</summary>
    public Task Closed => _closed.Task;

    /// <summary>Completes when the devices are closed, or a call into them has not returned for <c>disk-timeout</c>: whoever waits for the disk waits no longer than that.</summary>
    public Task Left => Task.WhenAny(_closed.Task, _hung.Task);

    /// <summary>The call that has been inside for the longest, if it is at least <paramref name="sinceMs"/>, in words; null if none is.</summary>
    public string? OldestCall(long sinceMs)
    {
        foreach (DiskWatch watch in Watches)
        {
            if (watch.Oldest(sinceMs) is { } call)
                return call;
        }

        return null;
    }

    /// <summary>A call has not returned for too long: nobody waits for the disk's end any more.</summary>
    public void MarkHung() => _hung.TrySetResult();

    /// <summary>Asks the disk for a queue, once; null if it has none.</summary>
    public IDeviceQueue? StartQueue(IDeviceCompletions completions) => _disk.StartQueue(completions);

    /// <summary>Carries out one change. The data of a write is read from the request's buffer.</summary>
    public DiskResult Apply(ChangeRequest request)
    {
        if (!TryEnter())
            return DiskResult.Io;
        try
        {
            return request.Kind switch
            {
                ChangeKind.Write when request.Origin == ChangeOrigin.ResyncWrite => WriteForResync(request),
                ChangeKind.Write => _data.Write(request.Range.Offset, request.Data, request.IsForceUnitAccess),
                ChangeKind.Zeroes when request.Origin == ChangeOrigin.ResyncWrite => ThinZeroes.Write(_data, request.Range),

                // A trim is zeroed, not just given back: both nodes must read the same afterwards, whatever their disks do with a discarded block (G5).
                ChangeKind.Trim => Zero(request, mayPunchHole: true),
                ChangeKind.Zeroes => Zero(request, (request.Flags & ChangeFlags.KeepAllocated) == 0),
                _ => throw Check.Unreachable("a flush is no change of the disk's content"),
            };
        }
        finally
        {
            Leave();
        }
    }

    public DiskResult Read(long offset, Span<byte> destination)
    {
        if (!TryEnter())
            return DiskResult.Io;
        try
        {
            return _data.Read(offset, destination);
        }
        finally
        {
            Leave();
        }
    }

    public DiskResult Flush()
    {
        if (!TryEnter())
            return DiskResult.Io;
        try
        {
            return _data.Flush();
        }
        finally
        {
            Leave();
        }
    }

    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        extent = new DeviceExtent(length, false);
        if (!TryEnter())
            return DiskResult.Io;
        try
        {
            return _data.GetExtent(offset, length, out extent);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Writes metadata in the order that keeps marks ahead of what relies on them (see <see cref="MetadataWrite"/>).</summary>
    public DiskResult Write(MetadataWrite write)
    {
        if (!TryEnter())
            return DiskResult.Io;
        try
        {
            foreach (BitmapRange range in write.Bitmaps)
            {
                DiskResult bitmap = Metadata.WriteBitmap(range.PeerSlot, range.Bitmap, range.FirstBlock, range.BlockCount);
                if (!bitmap.IsOk)
                    return bitmap;
            }

            // How large the disk is only this side knows: a superblock handed out before the disk grew must not take that back.
            DiskResult result = write.Superblock is null
                ? DiskResult.Ok
                : Metadata.WriteSuperblock(write.Superblock.DataBytes == Metadata.Layout.DataBytes ? write.Superblock : write.Superblock with { DataBytes = Metadata.Layout.DataBytes });
            return result.IsOk && write.ActivityLog is not null
                ? Metadata.WriteActivityLog(write.ActivityLogTransaction, write.ActivityLog)
                : result;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Takes up the disk's new size. On the metadata thread, in order with the metadata's writes; data calls may run beside it.</summary>
    /// <param name="grow">What the metadata needs for it.</param>
    /// <param name="fileBytes">How long a regular file is to be made; null leaves it as it is.</param>
    public GrownDisk Grow(GrowDisk grow, long? fileBytes)
    {
        if (!TryEnter())
            return new GrownDisk(0, false, "", DiskResult.Io);
        try
        {
            MetadataGrowth.Outcome outcome = MetadataGrowth.Grow(_disk, _metadataDevice, Metadata, grow.Bitmaps, fileBytes);
            Metadata = outcome.Store;
            if (outcome.IsLost)
                return new GrownDisk(Metadata.Layout.DataBytes, false, "", outcome.Error);
            if (_data.SizeBytes < Metadata.Layout.DataBytes)
                _data = new SubrangeDevice(_disk, 0, Metadata.Layout.DataBytes);
            string refusal = outcome.Error.IsOk ? outcome.Refusal : $"its new size could not be taken up: {outcome.Error}";
            return new GrownDisk(Metadata.Layout.DataBytes, ReadsZero(grow.ServedBytes), refusal, DiskResult.Ok);
        }
        finally
        {
            Leave();
        }
    }

    // Only what the file system says is a hole is known to be zeroes; nothing is read for it.
    private bool ReadsZero(long from)
    {
        while (from < _data.SizeBytes)
        {
            if (!_data.GetExtent(from, _data.SizeBytes - from, out DeviceExtent extent).IsOk || !extent.IsHole)
                return false;
            from += extent.Length;
        }

        return true;
    }

    /// <summary>
    /// No call gets in any more. Does not wait. With flags in <paramref name="note"/> the disk stays open until the action that is returned has been run, on the metadata thread: it
    /// adds them on the disk, to the superblock that is durable there and no other (G1, G6).
    /// </summary>
    public Func<DiskResult>? Detach(SuperblockFlags note)
    {
        bool stays = note != 0 && TryEnter();
        Detach();
        if (!stays)
            return null;
        return () =>
        {
            Superblock durable = Metadata.Superblock;
            DiskResult result = Metadata.WriteSuperblock(durable with { Flags = durable.Flags | note });
            Leave();
            return result;
        };
    }

    /// <summary>No call gets in any more. Does not wait.</summary>
    public void Detach()
    {
        int before = Interlocked.Or(ref _users, Closing);
        if (before == 0)
            Close();
    }

    /// <inheritdoc/>
    public void Dispose() => Detach();

    // The data goes to the disk piece by piece, not all at once in a checkpoint's flush, behind which an application's would wait.
    private DiskResult WriteForResync(ChangeRequest request)
    {
        DiskResult result = _data.Write(request.Range.Offset, request.Data, forceUnitAccess: false);
        if (result.IsOk)
            _data.StartWriteBack(request.Range.Offset, request.Range.Length);
        return result;
    }

    private DiskResult Zero(ChangeRequest request, bool mayPunchHole)
    {
        DiskResult result = _data.WriteZeroes(request.Range.Offset, request.Range.Length, mayPunchHole, fastOnly: false);
        return result.IsOk && request.IsForceUnitAccess ? _data.Flush() : result;
    }

    /// <summary>A call, or a request of the queue, gets in, and must <see cref="Leave"/>. False once the disk was given up.</summary>
    public bool TryEnter()
    {
        if ((Interlocked.Increment(ref _users) & Closing) == 0)
            return true;
        Leave();
        return false;
    }

    /// <summary>It is out again. The last one closes the disk, if it was given up.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _users) == Closing)
            Close();
    }

    private void Close()
    {
        // Several may see the last one leave: a call that was refused counts for a moment, too. Whoever waits may open the disk again at once.
        if (Interlocked.Exchange(ref _closing, 1) != 0)
            return;

        // On a thread of its own: closing a disk writes out what is dirty, and may hang like any call. Whoever sees the last one leave may be a receiver or the timer.
        new Thread(CloseDevices, 256 << 10) { Name = "close-disk", IsBackground = true }.Start();
    }

    private void CloseDevices()
    {
        _disk.Dispose();
        _metadataDevice?.Dispose();
        _closed.SetResult();
    }
}
