using System.Runtime.InteropServices;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>
/// Makes ranges of one file or block device read as zeroes, the cheapest way that it has. Thread-safe.
/// </summary>
/// <remarks>
/// BLKDISCARD is never used: it promises nothing about what a discarded block reads as. <c>fallocate</c> with
/// FALLOC_FL_PUNCH_HOLE promises zeroes on files and block devices alike, or fails (G5, hard part 13).
/// </remarks>
internal sealed unsafe class ZeroRanges
{
    private const int PieceBytes = 1 << 20;

    private static readonly byte[] Zeroes = GC.AllocateArray<byte>(PieceBytes, pinned: true);

    private readonly int _alignment;
    private readonly IZeroWriter? _writer;
    private volatile bool _canPunch;
    private volatile bool _canZero;

    /// <param name="alignment">What the kernel is asked to zero begins and ends at multiples of it.</param>
    /// <param name="canPunch">Whether holes can be punched.</param>
    /// <param name="canZero">Whether ranges can be zeroed and stay allocated.</param>
    /// <param name="writer">Writes zeroes where the kernel is not asked; null writes them through the page cache.</param>
    internal ZeroRanges(int alignment, bool canPunch, bool canZero, IZeroWriter? writer = null)
    {
        _alignment = alignment;
        _writer = writer;
        _canPunch = canPunch;
        _canZero = canZero;
    }

    /// <summary>Whether holes can be punched.</summary>
    public bool CanPunch => _canPunch;

    /// <summary>Whether a range can be zeroed without writing zeroes, one way or the other.</summary>
    public bool CanZeroFast => _canPunch || _canZero;

    /// <summary>What one file or block device can do.</summary>
    public static ZeroRanges For(SafeFileHandle file, bool isBlockDevice, in LinuxFile.Status status, int alignment = 1, IZeroWriter? writer = null)
    {
        if (isBlockDevice)
        {
            int sector = 0;
            if (LinuxFile.Control(file, LinuxFile.GetLogicalBlockBytes, &sector) != 0 || sector <= 0)
                sector = Block.Size;
            bool offload = SysBlock.CanWriteZeroes(status);
            return new ZeroRanges(Math.Max(sector, alignment), offload, offload, writer);
        }

        // Behind the end of the file there is nothing to lose, so this only asks whether the file system knows how.
        long behind = Block.CountFor((long)status.Size) * Block.Size;
        bool canPunch = LinuxFile.Allocate(file, LinuxFile.PunchHole | LinuxFile.KeepSize, behind, Block.Size) == 0;
        return new ZeroRanges(alignment, canPunch, canZero: true, writer);
    }

    /// <summary>Gives the range back to the disk; it then reads as zeroes. NotSupported if the disk cannot, having changed nothing.</summary>
    public DiskResult Punch(SafeFileHandle file, long offset, long length)
    {
        if (length == 0)
            return DiskResult.Ok;
        if (!_canPunch)
            return DiskResult.NotSupported;
        DiskResult result = Aligned(file, LinuxFile.PunchHole, offset, length);
        if (result.Errno == Errno.NotSupported)
            _canPunch = false;
        return result;
    }

    public DiskResult Zero(SafeFileHandle file, long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        if (length == 0)
            return DiskResult.Ok;
        if (mayPunchHole)
        {
            DiskResult punched = Punch(file, offset, length);
            if (punched.Errno != Errno.NotSupported)
                return punched;
        }

        if (_canZero)
        {
            DiskResult zeroed = Aligned(file, LinuxFile.ZeroRange, offset, length);
            if (zeroed.Errno != Errno.NotSupported)
                return zeroed;
            _canZero = false;
        }

        return fastOnly ? DiskResult.NotSupported : WriteOut(file, offset, length);
    }

    /// <summary>
    /// A block device takes whole sectors only, and on a file the kernel would clear the rest of a block in the page cache, past direct writes: the middle goes to the kernel, and if it was taken the ends are written.
    /// </summary>
    private DiskResult Aligned(SafeFileHandle file, int mode, long offset, long length)
    {
        long end = offset + length;
        long first = (offset + _alignment - 1) / _alignment * _alignment;
        long last = end / _alignment * _alignment;
        if (first >= last)
            return WriteOut(file, offset, length);
        DiskResult result = Allocate(file, mode | LinuxFile.KeepSize, first, last - first);
        if (!result.IsOk)
            return result;
        result = WriteOut(file, offset, first - offset);
        return result.IsOk ? WriteOut(file, last, end - last) : result;
    }

    private static DiskResult Allocate(SafeFileHandle file, int mode, long offset, long length)
    {
        while (LinuxFile.Allocate(file, mode, offset, length) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            // A block device that cannot says EOPNOTSUPP; some file systems say ENOSYS or EINVAL for a mode they do not know.
            if (errno is Errno.NotImplemented or Errno.Invalid)
                return DiskResult.NotSupported;
            if (errno != Errno.Interrupted)
                return new DiskResult(errno);
        }

        return DiskResult.Ok;
    }

    private DiskResult WriteOut(SafeFileHandle file, long offset, long length)
    {
        if (_writer is not null)
            return length == 0 ? DiskResult.Ok : _writer.WriteZeroes(offset, length);
        fixed (byte* zeroes = Zeroes)
        {
            while (length > 0)
            {
                nint written = LinuxFile.WriteAt(file, zeroes, (nint)Math.Min(length, PieceBytes), offset);
                if (written > 0)
                {
                    offset += written;
                    length -= written;
                    continue;
                }

                int errno = written == 0 ? Errno.Io : Marshal.GetLastPInvokeError();
                if (errno != Errno.Interrupted)
                    return new DiskResult(errno);
            }
        }

        return DiskResult.Ok;
    }
}
