using System.Runtime.InteropServices;

namespace BlockRepl.Daemon.Control;

/// <summary>The two calls of libc that the runtime does not offer.</summary>
internal static partial class NativeMethods
{
    private const int LockExclusiveNonBlocking = 2 | 4;

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

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Flock(SafeHandle file, int operation);
}
