using System.Runtime.InteropServices;
using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// A regular file or block device past the page cache (<c>O_DIRECT</c>): calls are made inline on the caller's thread, many requests at once go through an io_uring (<see cref="StartQueue"/>).
/// <see cref="DiskFile"/> owns the file and keeps the first failure of a flush. docs/decisions/0170 has the dangers and the answers.
/// </summary>
/// <remarks>
/// <para>The kernel takes whole sectors from aligned memory only. Memory that is not aligned is copied. A write that begins or ends inside a sector reads that sector, changes its part and
/// writes it back; <see cref="EdgeLocks"/> keeps others that have a part of the same sector out meanwhile.</para>
/// <para>Nothing here ever goes through the page cache: ranges are given to the kernel to punch or zero in whole sectors, and their ends are written like any other write. What a buffered owner
/// left in the cache is written out and dropped when the disk is opened.</para>
/// </remarks>
public sealed unsafe class DirectFileDevice : IBlockDevice, IZeroWriter
{
    // The longest copy at once.
    private const int PieceBytes = 1 << 20;

    // Blocks are whole or absent after a crash (G4), and buffers are aligned like this: no disk may want more.
    private const int AlignmentMax = Block.Size;

    private readonly DiskFile _disk;
    private readonly DirectQueue _queue;
    private readonly DirectSectors _sectors;
    private readonly EdgeLocks _edges = new();
    private readonly ZeroRanges _zeroes;
    private readonly int _alignment;
    private readonly int _memoryAlignment;

    private DirectFileDevice(DiskFile disk, int alignment, int memoryAlignment)
    {
        _disk = disk;
        _alignment = alignment;
        _memoryAlignment = memoryAlignment;
        _sectors = new DirectSectors(disk, alignment);
        _zeroes = ZeroRanges.For(disk.Main, disk.IsBlockDevice, disk.Status, alignment, this);
        _queue = new DirectQueue(this, disk.Main, disk.Forced, $"ring {disk.Path}");
        Capabilities = new DeviceCapabilities(1, _zeroes.CanPunch, _zeroes.CanZeroFast, SysBlock.IsRotational(disk.IsBlockDevice, disk.Status));
    }

    /// <inheritdoc/>
    public long SizeBytes => _disk.SizeBytes;

    /// <summary>Bytes of a sector here: what offsets and lengths are rounded to.</summary>
    public int Alignment => _alignment;

    /// <inheritdoc/>
    public DeviceCapabilities Capabilities { get; }

    /// <inheritdoc/>
    public bool CanExtend => !_disk.IsBlockDevice;

    /// <summary>Opens <paramref name="path"/>, following links. Creates nothing. Where direct I/O cannot be had, says why.</summary>
    internal static DeviceOpenResult Open(string path, NativeSupport support)
    {
        if (DirectQueue.Missing(support) is { } missing)
            return DiskFile.NoDirectIo(path, missing);
        if (DiskFile.Open(path, isDirect: true, out DeviceOpenResult refusal) is not { } disk)
            return refusal;
        string? hindrance = TryPrepare(disk, out NativeCalls.DirectLimits limits);
        if (hindrance is null)
        {
            var device = new DirectFileDevice(disk, (int)limits.Offset, (int)Math.Max(1, limits.Memory));
            hindrance = device.FindHindrance();
            if (hindrance is null)
                return new DeviceOpenResult(device, DeviceOpenError.None, "");
            device.Dispose();
        }
        else
        {
            disk.Dispose();
        }

        return DiskFile.NoDirectIo(path, hindrance);
    }

    /// <summary>A file's part of a sector at its end is not used.</summary>
    public long RefreshSize()
    {
        long size = _disk.AskSize();
        if (size >= 0)
            _disk.SetSize(Down(size));
        return SizeBytes;
    }

    /// <inheritdoc/>
    public DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail)
    {
        Check.That(sizeBytes > SizeBytes && tail.Length <= sizeBytes - SizeBytes, "a file is extended");
        if (_disk.IsBlockDevice)
            return DiskResult.NotSupported;
        if (sizeBytes != Down(sizeBytes))
            return new DiskResult(Errno.Invalid);
        if (tail.Length == 0)
        {
            if (LinuxFile.Truncate(_disk.Forced, sizeBytes) != 0 || LinuxFile.Sync(_disk.Forced) != 0)
                return new DiskResult(Marshal.GetLastPInvokeError());
        }
        else
        {
            // A write behind the end: the file grows by it, and not before it. What lies before the tail in its first sector is new, and zero.
            int length = checked((int)(sizeBytes - Down(sizeBytes - tail.Length)));
            BlockBuffer buffer = BlockBufferPool.Shared.Rent(length, BufferPurpose.DirectIo);
            buffer.Span.Clear();
            tail.CopyTo(buffer.Span[^tail.Length..]);
            DiskResult result = _sectors.Write(sizeBytes - length, buffer.Pointer, length, forceUnitAccess: true);
            buffer.Release();
            if (!result.IsOk)
                return result;
        }

        RefreshSize();
        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public IDeviceQueue StartQueue(IDeviceCompletions completions)
    {
        _queue.Start(completions);
        return _queue;
    }

    /// <inheritdoc/>
    public DiskResult Read(long offset, Span<byte> destination)
    {
        DeviceRange.Check(this, offset, destination.Length);
        fixed (byte* start = destination)
        {
            if (IsAligned(offset, destination.Length) && IsAligned(start))
                return _sectors.Read(offset, start, destination.Length);
        }

        return ReadCopied(offset, destination);
    }

    /// <inheritdoc/>
    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        DeviceRange.Check(this, offset, source.Length);
        fixed (byte* start = source)
        {
            if (IsAligned(offset, source.Length) && IsAligned(start))
                return _sectors.Write(offset, start, source.Length, forceUnitAccess);
        }

        return WriteCopied(offset, source, forceUnitAccess);
    }

    /// <inheritdoc/>
    public DiskResult Flush() => _disk.Flush();

    /// <inheritdoc/>
    public DiskResult Discard(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        return _zeroes.Punch(_disk.Main, offset, length);
    }

    /// <inheritdoc/>
    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        DeviceRange.Check(this, offset, length);
        return _zeroes.Zero(_disk.Main, offset, length, mayPunchHole, fastOnly);
    }

    /// <inheritdoc/>
    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        DeviceRange.Check(this, offset, length);
        return _disk.GetExtent(offset, length, out extent);
    }

    /// <summary>
    /// Ends the queue's thread and closes the file. Nothing may be in flight; if something is, the queue and its buffers are left to the kernel until it has come back. Flushes nothing.
    /// </summary>
    public void Dispose()
    {
        _queue.Dispose();

        // What somebody who looked has brought into the page cache: the next owner may be a buffered one.
        _ = LinuxFile.Advise(_disk.Main, 0, 0, LinuxFile.AdviseDontNeed);
        _disk.Dispose();
    }

    /// <inheritdoc/>
    DiskResult IZeroWriter.WriteZeroes(long offset, long length)
    {
        BlockBuffer buffer = BlockBufferPool.Shared.Rent((int)Math.Min(length, PieceBytes), BufferPurpose.DirectIo);
        buffer.Span.Clear();
        DiskResult result = DiskResult.Ok;
        while (length > 0 && result.IsOk)
        {
            // To a sector's end, so that all but the first and the last piece are whole sectors.
            long end = Math.Min(offset + length, Down(offset + buffer.Length));
            int piece = (int)Math.Min(end > offset ? end - offset : length, buffer.Length);
            result = Write(offset, buffer.Span[..piece], forceUnitAccess: false);
            offset += piece;
            length -= piece;
        }

        buffer.Release();
        return result;
    }

    internal bool IsAligned(long offset, long length) => ((offset | length) & (_alignment - 1)) == 0;

    internal bool IsAligned(byte* address) => ((nint)address & (_memoryAlignment - 1)) == 0;

    /// <summary>The first failure of a flush or of a forced write's sync.</summary>
    internal DiskResult Failure => _disk.Failure;

    /// <summary>A forced write of these bytes has failed in the ring: was it the write, or the sync after it?</summary>
    internal DiskResult ForcedWriteFailed(long offset, ReadOnlySpan<byte> source, int errno) => _sectors.ForcedWriteFailed(Write(offset, source, forceUnitAccess: false), errno);

    // Writes out and drops what a buffered owner has left in the page cache.
    private static int Forget(DiskFile disk)
    {
        int errno = LinuxFile.DataSync(disk.Main) == 0 ? 0 : Marshal.GetLastPInvokeError();
        _ = LinuxFile.Advise(disk.Main, 0, 0, LinuxFile.AdviseDontNeed);
        return errno;
    }

    private static string? TryPrepare(DiskFile disk, out NativeCalls.DirectLimits limits)
    {
        NativeCalls.DirectLimits found;
        int status = NativeCalls.GetDirectLimits(disk.Main, &found);
        limits = found;
        if (-status == Errno.NotSupported)
            return "its file system takes O_DIRECT and goes through the page cache all the same";
        if (status < 0)
            return $"what it wants of direct I/O cannot be found out: errno {-status}";
        if (found.Offset > AlignmentMax || found.Memory > AlignmentMax)
            return $"it wants direct I/O in pieces of {Math.Max(found.Offset, found.Memory)} bytes, more than {AlignmentMax}";
        if (disk.SizeBytes % found.Offset != 0)
            return $"it has {disk.SizeBytes} bytes, which is no multiple of {found.Offset}";
        int errno = Forget(disk);
        return errno == 0 ? null : $"what is left of it in the page cache cannot be written out: errno {errno}";
    }

    // A trial: some file systems take O_DIRECT when a file is opened and refuse it afterwards. And the ring, which is there or not.
    private string? FindHindrance()
    {
        if (_queue.Hindrance is { } hindrance)
            return hindrance;
        if (SizeBytes == 0)
            return null;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(_alignment, BufferPurpose.DirectIo);
        DiskResult result = _sectors.Read(0, buffer.Pointer, _alignment);
        buffer.Release();
        return result.Errno == Errno.Invalid ? $"its file system refuses a direct read of {_alignment} bytes" : null;
    }

    private long Down(long offset) => offset & -_alignment;

    private long Up(long offset) => Down(offset + _alignment - 1);

    private DiskResult ReadCopied(long offset, Span<byte> destination)
    {
        BlockBuffer buffer = BlockBufferPool.Shared.Rent((int)Math.Min(Up(offset + destination.Length) - Down(offset), PieceBytes), BufferPurpose.DirectIo);
        DiskResult result = DiskResult.Ok;
        while (destination.Length > 0 && result.IsOk)
        {
            long first = Down(offset);
            int length = (int)Math.Min(Up(offset + destination.Length) - first, buffer.Length);
            result = _sectors.Read(first, buffer.Pointer, length);
            int skipped = (int)(offset - first);
            int count = Math.Min(length - skipped, destination.Length);
            if (result.IsOk)
                buffer.Span.Slice(skipped, count).CopyTo(destination);
            destination = destination[count..];
            offset += count;
        }

        buffer.Release();
        return result;
    }

    private DiskResult WriteCopied(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        BlockBuffer buffer = BlockBufferPool.Shared.Rent((int)Math.Min(Up(offset + source.Length) - Down(offset), PieceBytes), BufferPurpose.DirectIo);
        DiskResult result = DiskResult.Ok;
        while (source.Length > 0 && result.IsOk)
        {
            long first = Down(offset);
            int length = (int)Math.Min(Up(offset + source.Length) - first, buffer.Length);
            int count = (int)Math.Min(first + length - offset, source.Length);
            result = WritePiece(first, buffer.Pointer, length, offset, source[..count], forceUnitAccess);
            source = source[count..];
            offset += count;
        }

        buffer.Release();
        return result;
    }

    // Whole sectors from `first` on, which get `source` at `offset`; what else is in the first and the last of them stays as it is.
    private DiskResult WritePiece(long first, byte* buffer, int length, long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        long last = first + length - _alignment;
        bool hasHead = offset > first;
        bool hasTail = offset + source.Length < first + length;
        long head = hasHead ? first / _alignment : -1;
        long tail = hasTail ? last / _alignment : -1;
        _edges.Enter(head, tail);
        try
        {
            DiskResult result = DiskResult.Ok;
            if (hasHead)
                result = _sectors.Read(first, buffer, _alignment);
            if (result.IsOk && hasTail && head != tail)
                result = _sectors.Read(last, buffer + (last - first), _alignment);
            if (!result.IsOk)
                return result;
            source.CopyTo(new Span<byte>(buffer + (offset - first), source.Length));
            return _sectors.Write(first, buffer, length, forceUnitAccess);
        }
        finally
        {
            _edges.Exit(head, tail);
        }
    }
}
