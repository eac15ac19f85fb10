using System.Runtime.InteropServices;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>
/// A regular file or block device through the page cache, with inline <c>pread</c> and <c>pwrite</c> on the caller's
/// thread. Owns the file exclusively while open: <c>flock</c> on a regular file, <c>O_EXCL</c> on a block device (hard part 15).
/// </summary>
/// <remarks>
/// The kernel tells of a lost page once per open file, to whichever sync asks first. So syncs on one open file are
/// serialised and the first failure is kept for good (hard part 12): otherwise a second sync could report success for data
/// that the first has just learned is gone. Writes with <c>forceUnitAccess</c> have an open file, and thereby an error
/// state, of their own, so that they do not wait behind a whole-disk flush.
/// <para>
/// The page cache keeps a file in folios as large as the write or the read-ahead that made them, and a later small write walks through every block of
/// its folio: ten times the processor time for 4 KiB in a folio of 1 MiB. So long writes are made in pieces and the kernel reads nothing ahead; <see cref="ReadAhead"/> does,
/// page by page. docs/decisions/0120 has the figures.
/// </para>
/// </remarks>
public sealed unsafe class BufferedFileDevice : IBlockDevice
{
    // A folio of this size costs a small write hardly more than a page does, and a long write hardly more than one piece.
    private const int PieceBytes = 64 << 10;

    private readonly SafeFileHandle _file;
    private readonly SafeFileHandle _syncFile;
    private readonly Lock _flushGate = new();
    private readonly Lock _forcedWriteGate = new();
    private readonly ZeroRanges _zeroes;
    private readonly ReadAhead _readAhead = new();
    private readonly bool _isBlockDevice;
    private long _sizeBytes;
    private long _flushesStarted;
    private long _flushCompleted;
    private int _failedErrno;
    private volatile bool _noForcedWrite;

    private BufferedFileDevice(
        SafeFileHandle file, SafeFileHandle syncFile, bool isBlockDevice, long sizeBytes, ZeroRanges zeroes, bool isRotational)
    {
        _file = file;
        _syncFile = syncFile;
        _isBlockDevice = isBlockDevice;
        _sizeBytes = sizeBytes;
        _zeroes = zeroes;
        Capabilities = new DeviceCapabilities(1, zeroes.CanPunch, zeroes.CanZeroFast, isRotational);
    }

    /// <inheritdoc/>
    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    /// <inheritdoc/>
    public DeviceCapabilities Capabilities { get; }

    /// <summary>Opens <paramref name="path"/>, following links. Creates nothing.</summary>
    internal static DeviceOpenResult Open(string path)
    {
        LinuxFile.Status status;
        // Looked at before it is opened: opening a pipe or a tape has effects, and only a block device understands O_EXCL.
        if (LinuxFile.StatPath(LinuxFile.CurrentDirectory, path, 0, LinuxFile.BasicStats, &status) != 0)
            return Refused(Marshal.GetLastPInvokeError(), path);
        int type = status.Mode & LinuxFile.FileTypeMask;
        bool isBlockDevice = type == LinuxFile.FileTypeBlock;
        if (!isBlockDevice && type != LinuxFile.FileTypeRegular)
            return NotADisk(path);

        int flags = LinuxFile.ReadWrite | LinuxFile.CloseOnExec | (isBlockDevice ? LinuxFile.Exclusive : 0);
        int descriptor = LinuxFile.Open(path, flags, 0);
        if (descriptor < 0)
            return Refused(Marshal.GetLastPInvokeError(), path);
        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        DeviceOpenResult result = Adopt(file, path, isBlockDevice);
        if (result.Device is null)
            file.Dispose();
        return result;
    }

    /// <inheritdoc/>
    public long RefreshSize()
    {
        long size = SizeOf(_file, _isBlockDevice);
        if (size >= 0)
            Volatile.Write(ref _sizeBytes, size);
        return SizeBytes;
    }

    /// <inheritdoc/>
    public bool CanExtend => !_isBlockDevice;

    /// <inheritdoc/>
    public DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail)
    {
        Check.That(sizeBytes > SizeBytes && tail.Length <= sizeBytes - SizeBytes, "a file is extended");
        if (_isBlockDevice)
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
            else if (LinuxFile.Truncate(_syncFile, sizeBytes) != 0 || LinuxFile.Sync(_syncFile) != 0)
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
            _ = LinuxFile.Advise(_file, from, Math.Min(ahead, SizeBytes - from), LinuxFile.AdviseWillNeed);
        fixed (byte* start = destination)
        {
            int done = 0;
            while (done < destination.Length)
            {
                nint read = LinuxFile.ReadAt(_file, start + done, destination.Length - done, offset + done);
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
    public DiskResult Flush()
    {
        long started = Volatile.Read(ref _flushesStarted);
        lock (_flushGate)
        {
            // While this call waited, another flush began and ended: it covered every write that this one has to cover.
            if (_flushCompleted > started)
                return Failure;
            long number = ++_flushesStarted;
            DiskResult result = FlushFile(_file);
            _flushCompleted = number;
            return result;
        }
    }

    /// <summary>
    /// <c>sync_file_range(SYNC_FILE_RANGE_WRITE)</c>: starts write-back and looks at no error state, so the failure of a page is still there for <see cref="Flush"/> to find.
    /// </summary>
    public void StartWriteBack(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);

        // A hint: a kernel or file system that refuses it just writes later.
        _ = LinuxFile.SyncRange(_file, offset, length, LinuxFile.SyncRangeWrite);
    }

    /// <inheritdoc/>
    public DiskResult Discard(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        return _zeroes.Punch(_file, offset, length);
    }

    /// <inheritdoc/>
    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        DeviceRange.Check(this, offset, length);
        return _zeroes.Zero(_file, offset, length, mayPunchHole, fastOnly);
    }

    /// <inheritdoc/>
    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        DeviceRange.Check(this, offset, length);
        Check.That(length > 0, "an extent of nothing");
        extent = new DeviceExtent(length, IsHole: false);
        if (_isBlockDevice)
            return DiskResult.Ok;
        long data = LinuxFile.Seek(_file, offset, LinuxFile.SeekData);
        if (data < 0)
        {
            // ENXIO: nothing but a hole up to the end. Anything else: it cannot tell, and "data" is always true enough.
            if (Marshal.GetLastPInvokeError() == Errno.NoDeviceOrAddress)
                extent = new DeviceExtent(length, IsHole: true);
            return DiskResult.Ok;
        }

        if (data > offset)
        {
            extent = new DeviceExtent(Math.Min(length, data - offset), IsHole: true);
            return DiskResult.Ok;
        }

        long hole = LinuxFile.Seek(_file, offset, LinuxFile.SeekHole);
        if (hole > offset)
            extent = new DeviceExtent(Math.Min(length, hole - offset), IsHole: false);
        return DiskResult.Ok;
    }

    /// <summary>Closes the file and so gives the lock back. Flushes nothing. Calls still running finish on the old file.</summary>
    public void Dispose()
    {
        if (!ReferenceEquals(_syncFile, _file))
            _syncFile.Dispose();
        _file.Dispose();
    }

    private static DeviceOpenResult Adopt(SafeFileHandle file, string path, bool isBlockDevice)
    {
        LinuxFile.Status status;
        if (LinuxFile.StatFile(file, "", LinuxFile.EmptyPath, LinuxFile.BasicStats, &status) != 0)
            return Refused(Marshal.GetLastPInvokeError(), path);
        int type = status.Mode & LinuxFile.FileTypeMask;
        if (type != (isBlockDevice ? LinuxFile.FileTypeBlock : LinuxFile.FileTypeRegular))
            return NotADisk(path);
        if (!isBlockDevice && LinuxFile.Lock(file, LinuxFile.LockExclusive | LinuxFile.LockNonBlocking) != 0)
            return Refused(Marshal.GetLastPInvokeError(), path);
        // The kernel opens a read-only block device for writing all the same and refuses each write.
        if (isBlockDevice && IsReadOnly(file))
            return Refused(Errno.ReadOnly, path);
        long size = SizeOf(file, isBlockDevice);
        if (size < 0)
            return Refused(Marshal.GetLastPInvokeError(), path);

        // A hint to the page cache; a file system that does not know it reads ahead as before.
        _ = LinuxFile.Advise(file, 0, 0, LinuxFile.AdviseRandom);
        SafeFileHandle syncFile = OpenAgain(file);
        ZeroRanges zeroes = ZeroRanges.For(file, isBlockDevice, status);
        return new DeviceOpenResult(
            new BufferedFileDevice(file, syncFile, isBlockDevice, size, zeroes, SysBlock.IsRotational(isBlockDevice, status)),
            DeviceOpenError.None,
            "");
    }

    /// <summary>
    /// A second open file of the same file: not by its path, which may lead elsewhere by now. Without a mounted /proc it is
    /// the same one, and forced writes share the flush's gate.
    /// </summary>
    private static SafeFileHandle OpenAgain(SafeFileHandle file)
    {
        int descriptor = LinuxFile.Open(
            $"/proc/self/fd/{file.DangerousGetHandle()}", LinuxFile.ReadWrite | LinuxFile.CloseOnExec, 0);
        return descriptor < 0 ? file : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private static bool IsReadOnly(SafeFileHandle file)
    {
        int readOnly = 0;
        return LinuxFile.Control(file, LinuxFile.GetReadOnly, &readOnly) == 0 && readOnly != 0;
    }

    private static long SizeOf(SafeFileHandle file, bool isBlockDevice)
    {
        if (isBlockDevice)
        {
            ulong bytes = 0;
            return LinuxFile.Control(file, LinuxFile.GetBlockDeviceBytes, &bytes) == 0 ? (long)bytes : -1;
        }

        LinuxFile.Status status;
        return LinuxFile.StatFile(file, "", LinuxFile.EmptyPath, LinuxFile.BasicStats, &status) == 0 ? (long)status.Size : -1;
    }

    private DiskResult WriteCached(long offset, ReadOnlySpan<byte> source)
    {
        fixed (byte* start = source)
        {
            int done = 0;
            while (done < source.Length)
            {
                long at = offset + done;
                int piece = (int)Math.Min(source.Length - done, PieceBytes - (at & (PieceBytes - 1)));
                nint written = LinuxFile.WriteAt(_file, start + done, piece, at);
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
        if (Failure is { IsOk: false } failed)
            return failed;
        int done = 0;
        while (done < source.Length && !_noForcedWrite)
        {
            ReadOnlySpan<byte> rest = source[done..];
            nint written;
            fixed (byte* start = rest)
            {
                var vector = new LinuxFile.IoVector { Base = start, Length = (nuint)rest.Length };
                written = LinuxFile.WriteVectorAt(_syncFile, &vector, 1, offset + done, LinuxFile.WriteDataSync);
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
            return Failure;
        DiskResult result = WriteCached(offset + done, source[done..]);
        return result.IsOk ? FlushFile(_syncFile) : result;
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
        Fail(errno);
        return new DiskResult(errno);
    }

    private DiskResult FlushFile(SafeFileHandle file)
    {
        if (Failure is { IsOk: false } failed)
            return failed;
        while (LinuxFile.DataSync(file) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.Interrupted)
                continue;

            // Never once more: the kernel tells of a lost page once, and a disk that fails each time would be asked for ever.
            Fail(errno);
            break;
        }

        return Failure;
    }

    private DiskResult Failure => new(Volatile.Read(ref _failedErrno));

    private void Fail(int errno) => Interlocked.CompareExchange(ref _failedErrno, errno, 0);

    private static DeviceOpenResult Refused(int errno, string path)
    {
        DeviceOpenError error = OpenErrors.From(errno, path, out string message);
        return new DeviceOpenResult(null, error, message);
    }

    private static DeviceOpenResult NotADisk(string path) =>
        new(null, DeviceOpenError.NotABlockDeviceOrFile, $"{path} is neither a regular file nor a block device");
}
