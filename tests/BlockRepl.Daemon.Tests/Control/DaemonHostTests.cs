using System.Net.Sockets;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Tests.Control;

public sealed class DaemonHostTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly StringWriter _error = new();
    private readonly TaskCompletionSource _serving = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<DaemonContext> _created = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FakeTarget _target = new(Statuses.Mail());

    public DaemonHostTests() => File.WriteAllText(_directory.File("blockrepl.yaml"), Configuration.ConfigurationText.Minimal);

    public void Dispose() => _directory.Dispose();

    private DaemonOptions Options(string node = "alpha") => new()
    {
        ConfigurationFile = _directory.File("blockrepl.yaml"),
        Node = node,
        RunDirectory = _directory.File("run"),
        NoUp = true,
        Error = _error,
        OnServing = _serving.SetResult,
        CreateTarget = context =>
        {
            _created.TrySetResult(context);
            return _target;
        },
    };

    [Fact]
    public async Task A_daemon_serves_until_it_is_stopped_and_leaves_nothing_behind()
    {
        using var stop = new CancellationTokenSource();
        // What a daemon that was killed leaves: a socket that nobody answers on.
        Directory.CreateDirectory(_directory.File("run"));
        using var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        dead.Bind(new UnixDomainSocketEndPoint(_directory.File("run/dead.sock")));
        File.Move(_directory.File("run/dead.sock"), _directory.File("run/control.sock"));
        var running = DaemonHost.RunAsync(Options(), stop.Token);
        var context = await _created.Task.WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal(("alpha", false), (context.Node, context.BringUp));
        await _serving.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await AnswersAsync(_directory.File("run/control.sock"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory.File("run/control.sock")));

        // A second one on the same run directory ends at once and leaves the first alone.
        Assert.Equal(ExitCodes.Failed, await DaemonHost.RunAsync(Options(), stop.Token));
        Assert.Contains($"process {Environment.ProcessId}", _error.ToString(), StringComparison.Ordinal);
        await AnswersAsync(_directory.File("run/control.sock"));

        await stop.CancelAsync();
        Assert.Equal(ExitCodes.Done, await running.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.True(_target.Started);
        Assert.True(_target.Stopped);
        Assert.Equal(["daemon.lock"], Directory.GetFiles(_directory.File("run")).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_configuration_with_errors_or_without_this_node_ends_with_10()
    {
        Assert.Equal(ExitCodes.ConfigurationOrDaemon, await DaemonHost.RunAsync(Options("gamma"), CancellationToken.None));
        Assert.Contains("no node is called \"gamma\"; the nodes are alpha, beta", _error.ToString(), StringComparison.Ordinal);

        File.AppendAllText(_directory.File("blockrepl.yaml"), "resourses: {}\n");
        Assert.Equal(ExitCodes.ConfigurationOrDaemon, await DaemonHost.RunAsync(Options(), CancellationToken.None));
        Assert.Contains("blockrepl.yaml:9:1: unknown key \"resourses\"; did you mean \"resources\"?", _error.ToString(), StringComparison.Ordinal);
        Assert.False(_created.Task.IsCompleted);
    }

    [Fact]
    public async Task A_target_that_cannot_start_or_has_a_bug_ends_the_daemon_with_its_status()
    {
        var refuses = Options() with { CreateTarget = _ => throw new DaemonStartException(ExitCodes.NoLocalDisk, "no disk", "plug one in") };
        Assert.Equal(ExitCodes.NoLocalDisk, await DaemonHost.RunAsync(refuses, CancellationToken.None));
        Assert.Equal("blockrepl daemon: no disk\nblockrepl daemon: plug one in\n", _error.ToString());

        var broken = Options() with { CreateTarget = _ => throw new Primitives.BugException("impossible") };
        Assert.Equal(ExitCodes.Bug, await DaemonHost.RunAsync(broken, CancellationToken.None));
    }

    [Fact]
    public async Task The_watchdog_hears_from_a_daemon_only_while_nothing_is_stuck()
    {
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        manager.Bind(new UnixDomainSocketEndPoint(_directory.File("notify")));
        using var stop = new CancellationTokenSource();
        var options = Options() with
        {
            ServiceManager = name => name switch { "NOTIFY_SOCKET" => _directory.File("notify"), "WATCHDOG_USEC" => "200000", _ => null },
        };
        var running = Task.Run(() => DaemonHost.RunAsync(options, stop.Token));
        Assert.StartsWith("READY=1", Receive(), StringComparison.Ordinal);
        Assert.Equal("WATCHDOG=1", Receive());

        _target.StuckWith = "the timer of mail has not ticked for 10000 ms";
        await _target.AskedAsync();
        while (manager.Poll(0, SelectMode.SelectRead))
            Receive();
        await _target.AskedAsync();
        await _target.AskedAsync();
        Assert.False(manager.Poll(0, SelectMode.SelectRead));

        _target.StuckWith = null;
        Assert.Equal("WATCHDOG=1", Receive());
        await stop.CancelAsync();
        Assert.Equal(ExitCodes.Done, await running.WaitAsync(TimeSpan.FromSeconds(30)));

        string Receive()
        {
            var buffer = new byte[256];
            return System.Text.Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer));
        }
    }

    private static async Task AnswersAsync(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
    }
}
