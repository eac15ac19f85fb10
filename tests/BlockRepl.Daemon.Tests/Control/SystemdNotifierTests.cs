using System.Net.Sockets;
using System.Text;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Tests.Control;

public sealed class SystemdNotifierTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_manager_hears_ready_alive_and_stopping()
    {
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        manager.Bind(new UnixDomainSocketEndPoint(_directory.File("notify")));
        var notifier = new SystemdNotifier(name => name switch
        {
            "NOTIFY_SOCKET" => _directory.File("notify"),
            "WATCHDOG_USEC" => "30000000",
            _ => null,
        });
        notifier.Ready();
        notifier.Alive();
        notifier.Stopping();

        Assert.Equal(TimeSpan.FromSeconds(15), notifier.WatchdogInterval);
        Assert.Equal(["READY=1\nSTATUS=serving", "WATCHDOG=1", "STOPPING=1\nSTATUS=draining"], [Receive(), Receive(), Receive()]);

        string Receive()
        {
            var buffer = new byte[256];
            return Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer));
        }
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("1", "30000000")]
    public void Without_a_manager_of_its_own_there_is_no_watchdog(string? pid, string? usec)
    {
        var notifier = new SystemdNotifier(name => name switch { "WATCHDOG_PID" => pid, "WATCHDOG_USEC" => usec, _ => null });
        Assert.Null(notifier.WatchdogInterval);
        notifier.Ready();
    }
}
