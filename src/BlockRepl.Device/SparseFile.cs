using System.Runtime.InteropServices;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>Creation of a disk that is a regular file.</summary>
internal static class SparseFile
{
    public static DeviceOpenError Create(string path, long sizeBytes, out string message)
    {
        Check.That(sizeBytes > 0);
        message = "";
        int descriptor = LinuxFile.Open(
            path, LinuxFile.ReadWrite | LinuxFile.Create | LinuxFile.Exclusive | LinuxFile.CloseOnExec, 0x180 /* 0600 */);
        if (descriptor < 0)
            return OpenErrors.From(Marshal.GetLastPInvokeError(), path, out message);
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        if (LinuxFile.Truncate(file, sizeBytes) == 0 && LinuxFile.Sync(file) == 0 && SyncDirectoryOf(path))
            return DeviceOpenError.None;
        DeviceOpenError error = OpenErrors.From(Marshal.GetLastPInvokeError(), path, out message);
        File.Delete(path);
        return error;
    }

    /// <summary>Without this a power loss could take the file's name, and with it everything that was flushed (G1).</summary>
    private static bool SyncDirectoryOf(string path)
    {
        string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        int descriptor = LinuxFile.Open(directory, LinuxFile.CloseOnExec, 0);
        if (descriptor < 0)
            return false;
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        return LinuxFile.Sync(handle) == 0;
    }
}
