using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Daemon.Control;

/// <summary>The calls of libc that the runtime does not offer.</summary>
internal static partial class NativeMethods
{
    private const int LockExclusiveNonBlocking = 2 | 4;

    /// <summary>
    /// Opens or creates a file of this user's alone, and takes no lock: the runtime's own way of opening takes a shared
    /// flock, even only to read, and fails where another process has the exclusive one.
    /// </summary>
    public static SafeFileHandle OpenUnlocked(string path)
    {
        const int ReadWrite = 0x2;
        const int Create = 0x40;
        const int CloseOnExec = 0x80000;
        const int OwnerReadWrite = 0x180;
        var file = Open(path, ReadWrite | Create | CloseOnExec, OwnerReadWrite);
        return file >= 0 ? new SafeFileHandle(file, ownsHandle: true) : throw new IOException(Marshal.GetLastPInvokeErrorMessage());
    }

    /// <summary>Takes flock(2) on an open file; false when another open file holds it.</summary>
    public static bool TryLock(SafeHandle file)
    {
        if (Flock(file, LockExclusiveNonBlocking) == 0)
            return true;
        const int WouldBlock = 11;
        var error = Marshal.GetLastPInvokeError();
        return error == WouldBlock
            ? false
            : throw new DaemonStartException(ExitCodes.Failed, $"daemon.lock cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <summary>Ends the process at once: no finalizer, no exit handler, nothing more reaches a disk.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void ExitNow(int status);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Flock(SafeHandle file, int operation);
}
