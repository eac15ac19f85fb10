using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Handlers;
using BlockRepl.Daemon.Tests.Configuration;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Handlers;

/// <summary>Handlers are real programs here: what they are told, what is heard of them, and that none of them holds anything up for ever.</summary>
public sealed class HandlerRunnerTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly TemporaryDirectory _directory = new();
    private readonly RunDirectory _run;
    private readonly LineLog _log = new();

    public HandlerRunnerTests() => _run = RunDirectory.Open(Path.Combine(_directory.Path, "run"));

    [Theory]
    [InlineData("exit 7", 7)]
    [InlineData("exit 0", 0)]
    [InlineData("/no/such/program", 127)]
    [InlineData("kill -9 $$", 137)]
    public async Task The_exit_code_is_the_programs(string command, int code)
    {
        HandlerOutcome outcome = await RunAsync(command);
        Assert.Equal((code, ""), (outcome.ExitCode, outcome.Detail));
    }

    [Fact]
    public async Task A_handler_that_takes_too_long_is_killed_and_counts_as_broken()
    {
        using var patience = new CancellationTokenSource(Limit);
        string pidFile = Path.Combine(_directory.Path, "pid");
        HandlerOutcome outcome = await RunAsync($"sleep 1000 & echo $! > {pidFile}; wait", "handler-timeout: 1s");
        Assert.Equal(HandlerOutcome.Broken, outcome.ExitCode);
        Assert.Contains("did not end within 1s", outcome.Detail, StringComparison.Ordinal);
        int child = int.Parse(await File.ReadAllTextAsync(pidFile, patience.Token), System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(!File.Exists($"/proc/{child}/stat") || (await File.ReadAllTextAsync($"/proc/{child}/stat", patience.Token)).Contains(") Z", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_program_left_in_the_background_does_not_hold_the_answer_up()
    {
        string pidFile = Path.Combine(_directory.Path, "pid");
        HandlerOutcome outcome = await RunAsync($"sleep 1000 & echo $! > {pidFile}; exit 4");
        Assert.Equal(4, outcome.ExitCode);
        using var left = System.Diagnostics.Process.GetProcessById(
            int.Parse(await File.ReadAllTextAsync(pidFile), System.Globalization.CultureInfo.InvariantCulture));
        left.Kill();
    }

    [Fact]
    public async Task It_finds_DRBDs_environment_and_its_output_is_logged()
    {
        await RunAsync("""
            echo "$DRBD_RESOURCE $DRBD_VOLUME $DRBD_PEER $DRBD_PEER_NODE_ID $DRBD_MY_NODE_ID $DRBD_NODE_ID_0 $UP_TO_DATE_NODES"
            echo "$BLOCKREPL_RESOURCE $BLOCKREPL_VOLUME_NAME $BLOCKREPL_NODE $BLOCKREPL_HANDLER $DRBD_BACKING_DEV_0" >&2
            read line || echo "no input"
            """);
        Assert.Contains(_log.Lines, line => line.EndsWith("mail 0 beta 1 0 alpha 0x00000001", StringComparison.Ordinal));
        Assert.Contains(_log.Lines, line => line.EndsWith("mail spool alpha fence-peer /disks/spool", StringComparison.Ordinal));
        Assert.Contains(_log.Lines, line => line.EndsWith("no input", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Endless_output_is_cut()
    {
        await RunAsync("yes | head -n 5000; head -c 100000 /dev/zero | tr '\\0' x");
        Assert.InRange(_log.Lines.Count(line => line.Contains("handler fence-peer of mail: ", StringComparison.Ordinal)), 201, 210);
        Assert.All(_log.Lines, line => Assert.InRange(line.Length, 0, 1200));
    }

    [Fact]
    public async Task A_fence_is_taken_away_only_after_it_is_up()
    {
        string file = Path.Combine(_directory.Path, "order");
        ClusterConfiguration configuration = With(
            $$"""handlers: { fence-peer: "sleep 0.3; echo up >> {{file}}", unfence-peer: "echo away >> {{file}}" }""");
        var done = new TaskCompletionSource();
        using (var runner = new HandlerRunner(configuration.Resources[0], Context(configuration), outcome =>
        {
            if (outcome.Call.Kind == HandlerKind.UnfencePeer)
                done.SetResult();
        }))
        {
            runner.Run(Call(HandlerKind.FencePeer, 1));
            runner.Run(Call(HandlerKind.UnfencePeer, 2));
            await done.Task.WaitAsync(Limit);
        }

        Assert.Equal(["up", "away"], await File.ReadAllLinesAsync(file));
    }

    [Fact]
    public async Task The_end_of_the_daemon_ends_its_handlers_without_an_answer()
    {
        string file = Path.Combine(_directory.Path, "pid");
        ClusterConfiguration configuration = With($$"""handlers: { fence-peer: "echo $$ > {{file}}.new; mv {{file}}.new {{file}}; exec sleep 1000" }""");
        int answers = 0;
        using var watcher = new FileSystemWatcher(_directory.Path);
        var began = new TaskCompletionSource();
        watcher.Renamed += (_, _) => began.TrySetResult();
        watcher.EnableRaisingEvents = true;
        var runner = new HandlerRunner(configuration.Resources[0], Context(configuration), _ => answers++);
        runner.Run(Call(HandlerKind.FencePeer, 1));
        await began.Task.WaitAsync(Limit);
        using var handler = System.Diagnostics.Process.GetProcessById(
            int.Parse(await File.ReadAllTextAsync(file), System.Globalization.CultureInfo.InvariantCulture));
        runner.Dispose();
        await handler.WaitForExitAsync().WaitAsync(Limit);
        Assert.Equal(0, answers);
    }

    public void Dispose()
    {
        _run.Dispose();
        _directory.Dispose();
        _log.Dispose();
    }

    private static HandlerCall Call(HandlerKind kind, ulong id) => new(kind, id, new PeerId(0), [new VolumeNr(0)]) { IsUpToDateHere = true };

    private static ClusterConfiguration With(string more) => ConfigurationText.Accept(
        ConfigurationText.Minimal.Replace("    volumes:", $"    {more}\n    volumes:", StringComparison.Ordinal));

    private DaemonContext Context(ClusterConfiguration configuration) => new(configuration, "alpha", _run, true, new EventHub(), _log);

    private async Task<HandlerOutcome> RunAsync(string script, string more = "handler-timeout: 60s")
    {
        string file = Path.Combine(_directory.Path, "handler.sh");
        await File.WriteAllTextAsync(file, script);
        ClusterConfiguration configuration = With($"handlers: {{ fence-peer: \"exec sh {file}\" }}\n    {more}");
        var answer = new TaskCompletionSource<HandlerOutcome>();
        using var runner = new HandlerRunner(configuration.Resources[0], Context(configuration), answer.SetResult);
        runner.Run(Call(HandlerKind.FencePeer, 1));
        return await answer.Task.WaitAsync(Limit);
    }
}
