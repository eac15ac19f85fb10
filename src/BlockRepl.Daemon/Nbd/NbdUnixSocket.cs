using System.ComponentModel;
using System.Net.Sockets;

namespace BlockRepl.Daemon.Nbd;

/// <summary>
/// The claim on a unix socket's path: a lock file beside it (<c>PATH.lock</c>, flock), which the kernel frees with its owner
/// whatever way that dies, and the socket file itself.
/// </summary>
internal sealed class NbdUnixSocket : IDisposable
{
    private const int PathBytesMax = 107; // sun_path with its final NUL
    private const uint SocketMode = 0x1b0; // 0660: owner and group

    private readonly string _path;
    private readonly FileStream _lock;

    private NbdUnixSocket(string path, FileStream lockFile)
    {
        _path = path;
        _lock = lockFile;
    }

    /// <summary>
    /// Binds under a temporary name, sets owner and mode, listens, then renames: clients see the old file or a socket that is
    /// ready, and never one with a looser mode.
    /// </summary>
    public static NbdListener Listen(NbdServer server, string path, int? groupId)
    {
        path = Path.GetFullPath(path);
        string temporary = path + ".new";
        if (System.Text.Encoding.UTF8.GetByteCount(temporary) > PathBytesMax)
            throw new NbdListenException($"the path of the NBD socket is too long ({PathBytesMax - 4} bytes at most): {path}");
        FileStream lockFile = Lock(path);
        Socket? socket = null;
        try
        {
            RefuseLive(path);
            File.Delete(temporary);
            socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Bind(new UnixDomainSocketEndPoint(temporary));
            if (NbdNative.ChangeMode(temporary, SocketMode) != 0)
                throw new Win32Exception(NbdNative.Errno);
            if (groupId is { } group && NbdNative.ChangeOwner(temporary, -1, group) != 0)
                throw new Win32Exception(NbdNative.Errno);
            socket.Listen(NbdListener.Backlog);
            File.Move(temporary, path, overwrite: true);
            return new NbdListener(server, socket, $"unix {path}", new NbdUnixSocket(path, lockFile));
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException or Win32Exception)
        {
            socket?.Dispose();
            lockFile.Dispose();
            throw new NbdListenException($"cannot listen for NBD on {path}: {e.Message}", e);
        }
        catch (NbdListenException)
        {
            lockFile.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        // The lock is still held, so the file is ours. The lock file stays: removing it would let two owners lock two files.
        File.Delete(_path);
        _lock.Dispose();
    }

    private static FileStream Lock(string path)
    {
        try
        {
            return new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NbdListenException($"the NBD socket {path} belongs to another running server: {e.Message}", e);
        }
    }

    // Somebody who does not know of the lock may serve there: never take a live socket away, never delete what is no socket.
    private static void RefuseLive(string path)
    {
        if (!File.Exists(path))
            return;
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && NbdNative.IsSocket(path))
        {
            return;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            throw new NbdListenException($"the NBD socket {path} belongs to another running server", e);
        }
        catch (SocketException e)
        {
            throw new NbdListenException($"{path} stands where the NBD socket belongs and is not a dead server's socket: {e.Message}", e);
        }

        throw new NbdListenException($"the NBD socket {path} belongs to another running server");
    }
}
