using System.Runtime.InteropServices;
using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// A regular file or block device through the page cache, with inline <c>pread</c> and <c>pwrite</c> on the caller's
/// thread. <see cref="DiskFile"/> owns it and keeps the first failure of a flush.
/// </summary>
/// <remarks>
/// The page cache keeps a file in folios as large as the write or the read-ahead that made them, and a later small write walks through every block of
/// its folio: ten times the processor time for 4 KiB in a folio of 1 MiB. So long writes are made in pieces and the kernel reads nothing ahead; <see cref="ReadAhead"/> does,
/// page by page. docs/decisions/0120 has the figures.
/// </remarks>
public sealed unsafe class BufferedFileDevice : IBlockDevice
{
    // A folio of this size costs a small write hardly more than a page does, and a long write hardly more than one piece.
    private const int PieceBytes = 64 << 10;

    private readonly DiskFile _disk;
    private readonly Lock _forcedWriteGate = new();
    private readonly ZeroRanges _zeroes;
    private readonly ReadAhead _readAhead = new();
    private volatile bool _noForcedWrite;

    private BufferedFileDevice(DiskFile disk, ZeroRanges zeroes)
    {
        _disk = disk;
        _zeroes = zeroes;
        Capabilities = new DeviceCapabilities(1, zeroes.CanPunch, zeroes.CanZeroFast, SysBlock.IsRotational(disk.IsBlockDevice, disk.Status));
    }

    /// <inheritdoc/>
    public long SizeBytes => _disk.SizeBytes;

    /// <inheritdoc/>
    public DeviceCapabilities Capabilities { get; }

    /// <summary>Opens <paramref name="path"/>, following links. Creates nothing.</summary>
    internal static DeviceOpenResult Open(string path)
    {
        if (DiskFile.Open(path, isDirect: false, out DeviceOpenResult refusal) is not { } disk)
            return refusal;

        // A hint to the page cache; a file system that does not know it reads ahead as before.
        _ = LinuxFile.Advise(disk.Main, 0, 0, LinuxFile.AdviseRandom);
        return new DeviceOpenResult(new BufferedFileDevice(disk, ZeroRanges.For(disk.Main, disk.IsBlockDevice, disk.Status)), DeviceOpenError.None, "");
    }

    /// <inheritdoc/>
    public long RefreshSize()
    {
        long size = _disk.AskSize();
        if (size >= 0)
            _disk.SetSize(size);
        return SizeBytes;
    }

    /// <inheritdoc/>
    public bool CanExtend => !_disk.IsBlockDevice;

    /// <inheritdoc/>
    public DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail)
    {
        Check.That(sizeBytes > SizeBytes && tail.Length <= sizeBytes - SizeBytes, "a file is extended");
        if (_disk.IsBlockDevice)
            return DiskResult.NotSupported;
        lock (_forcedWriteGate)
        {
            if (tail.Length > 0)
            {
                // A write behind the end: the file grows by it, and not before it.
                DiskResult result = WriteForced(sizeBytes - tail.Length, tail);
                if (!result.IsOk)
                    return result;
            }
            else if (LinuxFile.Truncate(_disk.Forced, sizeBytes) != 0 || LinuxFile.Sync(_disk.Forced) != 0)
            {
                return new DiskResult(Marshal.GetLastPInvokeError());
            }
        }

        RefreshSize();
        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Read(long offset, Span<byte> destination)
    {
        DeviceRange.Check(this, offset, destination.Length);
        long ahead = _readAhead.Note(offset, destination.Length, out long from);
        if (ahead > 0 && from < SizeBytes)
            _ = LinuxFile.Advise(_disk.Main, from, Math.Min(ahead, SizeBytes - from), LinuxFile.AdviseWillNeed);
        fixed (byte* start = destination)
        {
            int done = 0;
            while (done < destination.Length)
            {
                nint read = LinuxFile.ReadAt(_disk.Main, start + done, destination.Length - done, offset + done);
                if (read > 0)
                {
                    done += (int)read;
                    continue;
                }

                // Nothing although the range lies within the size: somebody cut the file down.
                int errno = read == 0 ? Errno.Io : Marshal.GetLastPInvokeError();
                if (errno != Errno.Interrupted)
                    return new DiskResult(errno);
            }
        }

        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        DeviceRange.Check(this, offset, source.Length);
        if (!forceUnitAccess)
            return WriteCached(offset, source);
        lock (_forcedWriteGate)
            return WriteForced(offset, source);
    }

    /// <inheritdoc/>
    public DiskResult Flush() => _disk.Flush();

    /// <summary>
    /// <c>sync_disk.Main_range(SYNC_FILE_RANGE_WRITE)</c>: starts write-back and looks at no error state, so the failure of a page is still there for <see cref="Flush"/> to find.
    /// </summary>
    public void StartWriteBack(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);

        // A hint: a kernel or file system that refuses it just writes later.
        _ = LinuxFile.SyncRange(_disk.Main, offset, length, LinuxFile.SyncRangeWrite);
    }

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

    /// <summary>Closes the file and so gives the lock back. Flushes nothing. Calls still running finish on the old file.</summary>
    public void Dispose() => _disk.Dispose();

    private DiskResult WriteCached(long offset, ReadOnlySpan<byte> source)
    {
        fixed (byte* start = source)
        {
            int done = 0;
            while (done < source.Length)
            {
                long at = offset + done;
                int piece = (int)Math.Min(source.Length - done, PieceBytes - (at & (PieceBytes - 1)));
                nint written = LinuxFile.WriteAt(_disk.Main, start + done, piece, at);
                if (written > 0)
                {
                    done += (int)written;
                    continue;
                }

                int errno = written == 0 ? Errno.Io : Marshal.GetLastPInvokeError();
                if (errno != Errno.Interrupted)
                    return new DiskResult(errno);
            }
        }

        return DiskResult.Ok;
    }

    private DiskResult WriteForced(long offset, ReadOnlySpan<byte> source)
    {
        if (_disk.Failure is { IsOk: false } failed)
            return failed;
        int done = 0;
        while (done < source.Length && !_noForcedWrite)
        {
            ReadOnlySpan<byte> rest = source[done..];
            nint written;
            fixed (byte* start = rest)
            {
                var vector = new LinuxFile.IoVector { Base = start, Length = (nuint)rest.Length };
                written = LinuxFile.WriteVectorAt(_disk.Forced, &vector, 1, offset + done, LinuxFile.WriteDataSync);
            }

            if (written > 0)
            {
                done += (int)written;
                continue;
            }

            int errno = written == 0 ? Errno.Io : Marshal.GetLastPInvokeError();
            if (errno is Errno.NotImplemented or Errno.NotSupported)
                _noForcedWrite = true;
            else if (errno != Errno.Interrupted)
                return ForcedWriteFailed(offset + done, rest, errno);
        }

        if (done == source.Length)
            return _disk.Failure;
        DiskResult result = WriteCached(offset + done, source[done..]);
        return result.IsOk ? _disk.Sync(_disk.Forced) : result;
    }

    /// <summary>
    /// Was it the write that failed (no space: nothing is lost, the next may succeed) or the sync after it, which the kernel
    /// will not report again? A plain write of the same bytes tells: if it is taken, it was the sync.
    /// </summary>
    private DiskResult ForcedWriteFailed(long offset, ReadOnlySpan<byte> source, int errno)
    {
        DiskResult plain = WriteCached(offset, source);
        if (!plain.IsOk)
            return plain;
        _disk.Fail(errno);
        return new DiskResult(errno);
    }
}
