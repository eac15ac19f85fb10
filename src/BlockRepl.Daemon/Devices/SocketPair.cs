using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// Two connected sockets, both closed on exec: a child that kept the server's end would hide the daemon's death from the kernel, and I/O would hang instead of
/// waiting for the next daemon. Whoever creates a pair disposes both ends; the kernel keeps a reference of its own to the one that it was given.
/// </summary>
internal sealed unsafe partial class SocketPair : IDisposable
{
    private const int AddressFamilyUnix = 1;
    private const int SocketStream = 1;
    private const int CloseOnExec = 0x80000;

    private SocketPair(Socket server, Socket kernel)
    {
        Server = server;
        Kernel = kernel;
    }

    /// <summary>The daemon's end.</summary>
    public Socket Server { get; }

    /// <summary>The end that is handed over.</summary>
    public Socket Kernel { get; }

    /// <summary>Descriptor of <see cref="Kernel"/>.</summary>
    public int KernelFd => (int)Kernel.SafeHandle.DangerousGetHandle();

    /// <exception cref="Win32Exception">The process has no descriptor left.</exception>
    public static SocketPair Create()
    {
        int* fds = stackalloc int[2];
        if (Open(AddressFamilyUnix, SocketStream | CloseOnExec, 0, fds) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        return new SocketPair(Wrap(fds[0]), Wrap(fds[1]));
    }

    /// <summary>Closes this process's copy of the end that was handed over; the server's end belongs to the NBD server.</summary>
    public void Dispose() => Kernel.Dispose();

    private static Socket Wrap(int fd)
    {
        // Room for a window of requests or replies in one call.
        const int BufferBytes = 1 << 20;
        return new Socket(new SafeSocketHandle(fd, ownsHandle: true)) { SendBufferSize = BufferBytes };
    }

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int Open(int family, int type, int protocol, int* fds);
}
