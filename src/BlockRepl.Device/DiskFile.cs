using System.Runtime.InteropServices;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>
/// An open regular file or block device and what is the same however it is read and written: one owner (<c>flock</c> on a regular file, <c>O_EXCL</c> on a block device, hard part 15), its size,
/// its flushes and their first failure, its holes. Thread-safe.
/// </summary>
/// <remarks>
/// The kernel tells of a lost page once per open file, to whichever sync asks first. So syncs on one open file are
/// serialised and the first failure is kept for good (hard part 12): otherwise a second sync could report success for data
/// that the first has just learned is gone. Forced writes have an open file, and thereby an error
/// state, of their own, so that they do not wait behind a whole-disk flush.
/// </remarks>
internal sealed unsafe class DiskFile : IDisposable
{
    private readonly Lock _flushGate = new();
    private long _sizeBytes;
    private long _flushesStarted;
    private long _flushCompleted;
    private int _failedErrno;

    private DiskFile(string path, SafeFileHandle main, SafeFileHandle forced, in LinuxFile.Status status, bool isBlockDevice, long sizeBytes)
    {
        Path = path;
        Main = main;
        Forced = forced;
        Status = status;
        IsBlockDevice = isBlockDevice;
        _sizeBytes = sizeBytes;
    }

    /// <summary>As it was opened.</summary>
    public string Path { get; }

    /// <summary>For everything but forced writes.</summary>
    public SafeFileHandle Main { get; }

    /// <summary>For forced writes; the same as <see cref="Main"/> where there is no /proc.</summary>
    public SafeFileHandle Forced { get; }

    /// <summary>What statx said when it was opened.</summary>
    public LinuxFile.Status Status { get; }

    public bool IsBlockDevice { get; }

    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    /// <summary>The first failure of a flush, or Ok.</summary>
    public DiskResult Failure => new(Volatile.Read(ref _failedErrno));

    /// <summary>Opens <paramref name="path"/>, following links; null with the refusal if that cannot be. Creates nothing.</summary>
    public static DiskFile? Open(string path, bool isDirect, out DeviceOpenResult refusal)
    {
        LinuxFile.Status status;
        // Looked at before it is opened: opening a pipe or a tape has effects, and only a block device understands O_EXCL.
        if (LinuxFile.StatPath(LinuxFile.CurrentDirectory, path, 0, LinuxFile.BasicStats, &status) != 0)
            return Refused(Marshal.GetLastPInvokeError(), path, out refusal);
        int type = status.Mode & LinuxFile.FileTypeMask;
        bool isBlockDevice = type == LinuxFile.FileTypeBlock;
        if (!isBlockDevice && type != LinuxFile.FileTypeRegular)
            return NotADisk(path, out refusal);

        int descriptor = OpenDescriptor(path, isBlockDevice, isDirect, out int errno);
        if (descriptor < 0)
        {
            if (!isDirect || errno != Errno.Invalid)
                return Refused(errno, path, out refusal);
            refusal = NoDirectIo(path, "its file system does not offer O_DIRECT");
            return null;
        }

        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        DiskFile? opened = Adopt(file, path, isBlockDevice, isDirect, out refusal);
        if (opened is null)
            file.Dispose();
        return opened;
    }

    /// <summary>The refusal of <c>io: direct</c>, in a sentence.</summary>
    public static DeviceOpenResult NoDirectIo(string path, string why) =>
        new(null, DeviceOpenError.NoDirectIo, $"{path} cannot have io: direct: {why}");

    /// <summary>Asks the kernel again. Returns -1, and changes nothing, where it does not say.</summary>
    public long AskSize() => SizeOf(Main, IsBlockDevice);

    /// <summary>The size counts from now on.</summary>
    public void SetSize(long sizeBytes) => Volatile.Write(ref _sizeBytes, sizeBytes);

    /// <summary>Makes every write completed before the call stable.</summary>
    public DiskResult Flush()
    {
        long started = Volatile.Read(ref _flushesStarted);
        lock (_flushGate)
        {
            // While this call waited, another flush began and ended: it covered every write that this one has to cover.
            if (_flushCompleted > started)
                return Failure;
            long number = ++_flushesStarted;
            DiskResult result = Sync(Main);
            _flushCompleted = number;
            return result;
        }
    }

    /// <summary><c>fdatasync</c>; whoever calls it for one handle excludes others.</summary>
    public DiskResult Sync(SafeFileHandle file)
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

    /// <summary>A sync has failed: no later one succeeds.</summary>
    public void Fail(int errno) => Interlocked.CompareExchange(ref _failedErrno, errno, 0);

    /// <summary>As <see cref="IBlockDevice.GetExtent"/>.</summary>
    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        Check.That(length > 0, "an extent of nothing");
        extent = new DeviceExtent(length, IsHole: false);
        if (IsBlockDevice)
            return DiskResult.Ok;
        long data = LinuxFile.Seek(Main, offset, LinuxFile.SeekData);
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

        long hole = LinuxFile.Seek(Main, offset, LinuxFile.SeekHole);
        if (hole > offset)
            extent = new DeviceExtent(Math.Min(length, hole - offset), IsHole: false);
        return DiskResult.Ok;
    }

    /// <summary>Closes the file and so gives the lock back. Flushes nothing. Calls still running finish on the old file.</summary>
    public void Dispose()
    {
        if (!ReferenceEquals(Forced, Main))
            Forced.Dispose();
        Main.Dispose();
    }

    private static DiskFile? Adopt(SafeFileHandle file, string path, bool isBlockDevice, bool isDirect, out DeviceOpenResult refusal)
    {
        LinuxFile.Status status;
        if (LinuxFile.StatFile(file, "", LinuxFile.EmptyPath, LinuxFile.BasicStats, &status) != 0)
            return Refused(Marshal.GetLastPInvokeError(), path, out refusal);
        int type = status.Mode & LinuxFile.FileTypeMask;
        if (type != (isBlockDevice ? LinuxFile.FileTypeBlock : LinuxFile.FileTypeRegular))
            return NotADisk(path, out refusal);
        if (!isBlockDevice && LinuxFile.Lock(file, LinuxFile.LockExclusive | LinuxFile.LockNonBlocking) != 0)
            return Refused(Marshal.GetLastPInvokeError(), path, out refusal);
        // The kernel opens a read-only block device for writing all the same and refuses each write.
        if (isBlockDevice && IsReadOnly(file))
            return Refused(Errno.ReadOnly, path, out refusal);
        long size = SizeOf(file, isBlockDevice);
        if (size < 0)
            return Refused(Marshal.GetLastPInvokeError(), path, out refusal);
        refusal = new DeviceOpenResult(null, DeviceOpenError.None, "");
        return new DiskFile(path, file, OpenAgain(file, isDirect), status, isBlockDevice, size);
    }

    /// <summary>
    /// A second open file of the same file: not by its path, which may lead elsewhere by now. Without a mounted /proc it is
    /// the same one, and forced writes share the flush's gate.
    /// </summary>
    private static SafeFileHandle OpenAgain(SafeFileHandle file, bool isDirect)
    {
        int descriptor = OpenDescriptor($"/proc/self/fd/{file.DangerousGetHandle()}", isExclusive: false, isDirect, out _);
        return descriptor < 0 ? file : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private static int OpenDescriptor(string path, bool isExclusive, bool isDirect, out int errno)
    {
        int descriptor;
        if (isDirect)
        {
            descriptor = NativeCalls.OpenDirect(path, isExclusive ? 1 : 0);
            errno = -descriptor;
            return descriptor;
        }

        descriptor = LinuxFile.Open(path, LinuxFile.ReadWrite | LinuxFile.CloseOnExec | (isExclusive ? LinuxFile.Exclusive : 0), 0);
        errno = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        return descriptor;
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

    private static DiskFile? Refused(int errno, string path, out DeviceOpenResult refusal)
    {
        DeviceOpenError error = OpenErrors.From(errno, path, out string message);
        refusal = new DeviceOpenResult(null, error, message);
        return null;
    }

    private static DiskFile? NotADisk(string path, out DeviceOpenResult refusal)
    {
        refusal = new DeviceOpenResult(null, DeviceOpenError.NotABlockDeviceOrFile, $"{path} is neither a regular file nor a block device");
        return null;
    }
}
