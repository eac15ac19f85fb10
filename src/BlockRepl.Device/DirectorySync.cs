using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>Makes names in a directory durable: without it a power loss could take a file's name, and with it all that was flushed.</summary>
public static class DirectorySync
{
    /// <summary>Flushes a directory (<c>fsync</c>). Blocks.</summary>
    /// <exception cref="IOException">The system refuses it.</exception>
    public static void Flush(string directory)
    {
        int descriptor = LinuxFile.Open(directory, LinuxFile.CloseOnExec, 0);
        if (descriptor < 0)
            throw new IOException($"{directory}: {Marshal.GetLastPInvokeErrorMessage()}");
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (LinuxFile.Sync(handle) != 0)
            throw new IOException($"{directory}: {Marshal.GetLastPInvokeErrorMessage()}");
    }
}
