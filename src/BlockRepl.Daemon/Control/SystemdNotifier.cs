using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace BlockRepl.Daemon.Control;

/// <summary>Tells the service manager how the daemon is (sd_notify(3)). Does nothing where there is none.</summary>
public sealed class SystemdNotifier
{
    private readonly string? _socket;

    /// <summary>Uses the socket that NOTIFY_SOCKET names.</summary>
    /// <param name="environment">Reads an environment variable.</param>
    public SystemdNotifier(Func<string, string?> environment)
    {
        _socket = environment("NOTIFY_SOCKET") is { Length: > 1 } socket ? socket : null;
        var ours = environment("WATCHDOG_PID") is not { Length: > 0 } pid
            || pid == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        if (_socket is not null && ours
            && long.TryParse(environment("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var usec) && usec > 0)
        {
            // sd_watchdog_enabled(3) recommends half of the time-out.
            WatchdogInterval = TimeSpan.FromMicroseconds(usec / 2);
        }
    }

    /// <summary>How often <see cref="Alive"/> is due; null when no watchdog watches.</summary>
    public TimeSpan? WatchdogInterval { get; }

    /// <summary>The daemon serves.</summary>
    public void Ready() => Send("READY=1\nSTATUS=serving");

    /// <summary>The daemon is going away.</summary>
    public void Stopping() => Send("STOPPING=1\nSTATUS=draining");

    /// <summary>The daemon is not stuck.</summary>
    public void Alive() => Send("WATCHDOG=1");

    private void Send(string state)
    {
        if (_socket is null)
            return;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
            // "@" stands for the zero byte of an abstract name.
            var name = _socket[0] == '@' ? "\0" + _socket[1..] : _socket;
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(name));
        }
        catch (SocketException e)
        {
            // The manager notices a missing message by itself; the daemon must not end for it, but it should say so.
            Console.Error.WriteLine($"blockrepl: the service manager cannot be told \"{state.Split('\n')[0]}\": {e.Message}");
        }
    }
}
