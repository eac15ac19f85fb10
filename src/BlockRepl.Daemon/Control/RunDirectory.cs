using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Daemon.Control;

/// <summary>
/// The directory of a daemon's sockets, owned for the life of the process by a lock on <c>daemon.lock</c> (hard part 26).
/// The kernel drops the lock with the process, however it dies, so what a dead daemon left never stops a new one.
/// </summary>
public sealed class RunDirectory : IDisposable
{
    private readonly SafeFileHandle _lock;

    private RunDirectory(string path, SafeFileHandle lockFile)
    {
        Path = path;
        _lock = lockFile;
    }

    /// <summary>The directory, absolute.</summary>
    public string Path { get; }

    /// <summary>The control socket in a run directory.</summary>
    public static string ControlSocketIn(string directory) => System.IO.Path.Combine(directory, "control.sock");

    /// <summary>The NBD socket in a run directory.</summary>
    public static string NbdSocketIn(string directory) => System.IO.Path.Combine(directory, "nbd.sock");

    /// <summary>The control socket.</summary>
    public string ControlSocket => ControlSocketIn(Path);

    /// <summary>The NBD socket.</summary>
    public string NbdSocket => NbdSocketIn(Path);

    /// <summary>
    /// Creates the directory where it is missing and takes its lock. Throws <see cref="DaemonStartException"/> when another daemon has
    /// it, naming its process, or when it cannot be had; nothing in the directory is touched before the lock is held.
    /// </summary>
    public static RunDirectory Open(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        // sockaddr_un holds 108 bytes with its end; a longer path would fail later and less clearly.
        const int SocketPathMax = 107;
        if (Encoding.UTF8.GetByteCount(ControlSocketIn(full)) > SocketPathMax)
            throw new DaemonStartException(ExitCodes.Failed, $"the run directory {full} has too long a name for a socket in it", "choose a shorter --run-dir");
        SafeFileHandle file;
        try
        {
            Directory.CreateDirectory(full);
            file = NativeMethods.OpenUnlocked(System.IO.Path.Combine(full, "daemon.lock"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DaemonStartException(ExitCodes.Failed, $"the run directory {full} cannot be used: {e.Message}", "run as root, or choose another --run-dir");
        }
        if (NativeMethods.TryLock(file))
        {
            var directory = new RunDirectory(full, file);
            directory.WritePid();
            return directory;
        }
        var pid = ReadPid(file);
        file.Dispose();
        throw new DaemonStartException(ExitCodes.Failed,
            $"another blockrepl daemon{(pid is null ? "" : $", process {pid},")} already serves the run directory {full}",
            "stop it first, or give this daemon a --run-dir of its own");
    }

    /// <summary>Removes the sockets and lets the lock go. The lock file stays: removing it would let two daemons lock two files.</summary>
    public void Dispose()
    {
        if (_lock.IsClosed)
            return;
        File.Delete(ControlSocket);
        File.Delete(NbdSocket);
        RandomAccess.SetLength(_lock, 0);
        _lock.Dispose();
    }

    private void WritePid()
    {
        RandomAccess.SetLength(_lock, 0);
        RandomAccess.Write(_lock, Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"), 0);
    }

    private static string? ReadPid(SafeFileHandle file)
    {
        Span<byte> buffer = stackalloc byte[32];
        var text = Encoding.ASCII.GetString(buffer[..RandomAccess.Read(file, buffer, 0)]).Trim();
        return text.Length > 0 && text.All(char.IsAsciiDigit) ? text : null;
    }
}
