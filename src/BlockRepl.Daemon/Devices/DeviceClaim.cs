using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// An exclusive hold on a block device: nobody has it mounted, stacked or claimed, in whatever namespace, and nobody can mount it until this is disposed.
/// </summary>
internal static partial class DeviceClaim
{
    private const int ReadOnlyExclusiveCloseOnExec = 0x80 | 0x80000;
    private const int Busy = 16;

    // An open may read the partition table, which waits where the resource's I/O is suspended.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>The claim; or null with the reason, in words, in <paramref name="refusal"/>. Both null: there is no such device any more, so nobody uses it.</summary>
    public static SafeFileHandle? TryTake(string path, out string? refusal)
    {
        refusal = null;
        int fd = -1;
        int errno = 0;
        var thread = new Thread(() =>
        {
            fd = Open(path, ReadOnlyExclusiveCloseOnExec);
            errno = Marshal.GetLastPInvokeError();
        })
        { IsBackground = true, Name = "claim " + path };
        thread.Start();
        if (!thread.Join(Patience))
        {
            refusal = "its I/O waits, so whether it is used cannot be told";
            return null;
        }

        if (fd >= 0)
            return new SafeFileHandle(fd, ownsHandle: true);
        if (errno == Busy)
            refusal = "in use by the kernel or in another namespace";
        return null;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
