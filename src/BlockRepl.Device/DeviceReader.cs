using System.Runtime.InteropServices;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>
/// A disk that is only looked at: opened read-only and without owning it, so a daemon that has it goes on undisturbed. What is read may be older or newer than what that daemon is
/// writing at the moment. Not for data: nothing orders it with writes.
/// </summary>
public sealed unsafe class DeviceReader : IDisposable
{
    private const int ReadOnly = 0;
    private const int SeekEnd = 2;

    private readonly SafeFileHandle _file;

    private DeviceReader(SafeFileHandle file, long sizeBytes)
    {
        _file = file;
        SizeBytes = sizeBytes;
    }

    /// <summary>Bytes when it was opened.</summary>
    public long SizeBytes { get; }

    /// <summary>Opens a regular file or block device, following links. Null with the reason and a sentence that names the path if that cannot be.</summary>
    public static DeviceReader? Open(string path, out DeviceOpenError error, out string message)
    {
        error = DeviceOpenError.None;
        message = "";
        LinuxFile.Status status;
        if (LinuxFile.StatPath(LinuxFile.CurrentDirectory, path, 0, LinuxFile.BasicStats, &status) != 0)
        {
            error = OpenErrors.From(Marshal.GetLastPInvokeError(), path, out message);
            return null;
        }

        int type = status.Mode & LinuxFile.FileTypeMask;
        if (type is not (LinuxFile.FileTypeBlock or LinuxFile.FileTypeRegular))
        {
            error = DeviceOpenError.NotABlockDeviceOrFile;
            message = $"{path} is neither a regular file nor a block device";
            return null;
        }

        int descriptor = LinuxFile.Open(path, ReadOnly | LinuxFile.CloseOnExec, 0);
        if (descriptor < 0)
        {
            error = OpenErrors.From(Marshal.GetLastPInvokeError(), path, out message);
            return null;
        }

        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        long size = LinuxFile.Seek(file, 0, SeekEnd);
        if (size >= 0)
            return new DeviceReader(file, size);
        error = OpenErrors.From(Marshal.GetLastPInvokeError(), path, out message);
        file.Dispose();
        return null;
    }

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/> on; EIO where there is not so much.</summary>
    public DiskResult Read(long offset, Span<byte> destination)
    {
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

                int errno = read == 0 ? Errno.Io : Marshal.GetLastPInvokeError();
                if (errno != Errno.Interrupted)
                    return new DiskResult(errno);
            }
        }

        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
