using System.Runtime.InteropServices;
using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>Reads and writes whole sectors of one disk, from and to aligned memory, by calls. Thread-safe.</summary>
/// <param name="disk">The disk.</param>
/// <param name="alignment">Bytes of a sector.</param>
internal sealed unsafe class DirectSectors(DiskFile disk, int alignment)
{
    private volatile bool _noForcedWrite;

    /// <summary>Fills the buffer.</summary>
    public DiskResult Read(long offset, byte* buffer, int length)
    {
        int done = 0;
        while (done < length)
        {
            nint read = LinuxFile.ReadAt(disk.Main, buffer + done, length - done, offset + done);
            if (read > 0 && read % alignment == 0)
            {
                done += (int)read;
                continue;
            }

            // Nothing, or a part of a sector, although the range lies within the size: somebody cut the file down.
            int errno = read >= 0 ? Errno.Io : Marshal.GetLastPInvokeError();
            if (errno != Errno.Interrupted)
                return new DiskResult(errno);
        }

        return DiskResult.Ok;
    }

    /// <summary>Writes the buffer; with <paramref name="forceUnitAccess"/> it is on stable storage then (RWF_DSYNC).</summary>
    public DiskResult Write(long offset, byte* buffer, int length, bool forceUnitAccess)
    {
        if (!forceUnitAccess)
            return WritePlain(offset, buffer, length);
        if (disk.Failure is { IsOk: false } failed)
            return failed;
        int done = 0;
        while (done < length && !_noForcedWrite)
        {
            var vector = new LinuxFile.IoVector { Base = buffer + done, Length = (nuint)(length - done) };
            nint written = LinuxFile.WriteVectorAt(disk.Forced, &vector, 1, offset + done, LinuxFile.WriteDataSync);
            if (written > 0 && written % alignment == 0)
            {
                done += (int)written;
                continue;
            }

            int errno = written >= 0 ? Errno.Io : Marshal.GetLastPInvokeError();
            if (errno is Errno.NotImplemented or Errno.NotSupported)
                _noForcedWrite = true;
            else if (errno != Errno.Interrupted)
                return ForcedWriteFailed(WritePlain(offset + done, buffer + done, length - done), errno);
        }

        if (done == length)
            return disk.Failure;
        DiskResult result = WritePlain(offset + done, buffer + done, length - done);
        return result.IsOk ? disk.Flush() : result;
    }

    /// <summary>
    /// A forced write has failed: was it the write (no space: nothing is lost, the next may succeed) or the sync after it, which the kernel will not report again? A plain write of the same
    /// bytes tells: if it is taken, it was the sync.
    /// </summary>
    /// <param name="plain">What came of the plain write.</param>
    /// <param name="errno">What the forced write failed with.</param>
    public DiskResult ForcedWriteFailed(DiskResult plain, int errno)
    {
        if (!plain.IsOk)
            return plain;
        disk.Fail(errno);
        return disk.Failure;
    }

    private DiskResult WritePlain(long offset, byte* buffer, int length)
    {
        int done = 0;
        while (done < length)
        {
            nint written = LinuxFile.WriteAt(disk.Main, buffer + done, length - done, offset + done);
            if (written > 0 && written % alignment == 0)
            {
                done += (int)written;
                continue;
            }

            int errno = written >= 0 ? Errno.Io : Marshal.GetLastPInvokeError();
            if (errno != Errno.Interrupted)
                return new DiskResult(errno);
        }

        return DiskResult.Ok;
    }
}
