using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Tests;

/// <summary>The verbs that go on: events, status --watch, and the waits.</summary>
public sealed class FollowTests
{
    [Fact]
    public async Task Events_now_prints_what_exists_and_stops()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail(), Statuses.Mail(name: "web"));

        Assert.Equal((0, """
            exists resource name:mail role:Secondary suspended:no may_promote:yes promotion_score:10102
            exists connection name:mail conn-name:beta connection:Connected role:Primary
            exists device name:mail volume:spool disk:UpToDate size:1048576
            exists peer-device name:mail conn-name:beta volume:spool replication:Established peer-disk:UpToDate out-of-sync:0
            exists -

            """.ReplaceLineEndings("\n"), ""), await harness.RunAsync("events", "--now", "mail"));
        var (_, json, _) = await harness.RunAsync("events", "--now", "--json", "web");
        Assert.StartsWith("""{"event":"exists","object":"resource","name":"web","role":"Secondary","suspended":"no","may_promote":"yes","promotion_score":10102}""", json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_follow_changes_until_the_daemon_ends()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        using var output = new LineWriter();
        var running = harness.RunAsync(output, isTerminal: false, ["events"]);
        Assert.Equal("exists -", await output.ReadUntilAsync("exists -"));

        harness.Target.Set(Statuses.Mail(Role.Primary));
        Assert.Equal("change resource name:mail role:Primary", await output.ReadAsync());
        harness.Target.Set(Statuses.Mail(Role.Primary, replication: ReplicationState.SyncSource));
        Assert.Equal("change peer-device name:mail conn-name:beta volume:spool replication:SyncSource", await output.ReadAsync());

        await harness.StopServerAsync();
        var (code, _, error) = await running.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(ExitCodes.ConfigurationOrDaemon, code);
        Assert.Contains("ended", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watched_status_prints_each_state_and_ends_when_told()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        using var output = new LineWriter();
        using var stop = new CancellationTokenSource();
        var running = harness.RunAsync(output, isTerminal: false, ["status", "--watch", "--json"], stop.Token);
        Assert.Contains("\"role\":\"Secondary\"", await output.ReadAsync(), StringComparison.Ordinal);

        harness.Target.Set(Statuses.Mail(Role.Primary));
        await output.ReadUntilAsync("\"role\":\"Primary\"");
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Watched_status_ends_with_the_daemon()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        using var output = new LineWriter();
        var running = harness.RunAsync(output, isTerminal: false, ["status", "--watch"]);
        await output.ReadUntilAsync("mail role:Secondary");

        await harness.StopServerAsync();
        var (code, _, _) = await running.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(ExitCodes.ConfigurationOrDaemon, code);
    }

    [Theory]
    [InlineData("wait-connect")]
    [InlineData("wait-sync")]
    [InlineData("wait-primary")]
    public async Task A_wait_ends_with_its_event(string verb)
    {
        var goal = Statuses.Mail(Role.Primary);
        await using var harness = await Harness.StartAsync(Statuses.Mail(connection: ConnectionState.Connecting));
        var waiting = harness.RunAsync(verb, "mail");
        harness.Target.Set(Statuses.Mail(connection: ConnectionState.Unconnected));
        harness.Target.Set(goal);

        Assert.Equal((0, "", ""), await waiting);
        Assert.Equal((0, "", ""), await harness.RunAsync(verb, "mail", "--timeout", "1ms"));
    }

    [Theory]
    [InlineData("wait-primary mail --timeout 20ms", "wait-primary gave up after 20ms: mail is Secondary")]
    [InlineData("--timeout 20ms wait-sync", "wait-sync gave up after 20ms: mail/spool@beta has 4096 bytes out of sync")]
    public async Task A_wait_that_is_in_vain_is_5(string line, string message)
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail(outOfSync: 4096));
        Assert.Equal((ExitCodes.TimedOut, "", message + "\nsee blockrepl status\n"), await harness.RunAsync(line.Split(' ')));
    }

    [Fact]
    public async Task A_wait_ends_with_the_daemon()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        var waiting = harness.RunAsync("wait-primary", "mail");
        // The daemon must hold the wait before it stops; then it answers it.
        using (var output = new LineWriter())
        {
            using var stop = new CancellationTokenSource();
            var events = harness.RunAsync(output, isTerminal: false, ["events"], stop.Token);
            await output.ReadUntilAsync("exists -");
            await stop.CancelAsync();
            await events;
        }
        await harness.StopServerAsync();
        var (code, _, _) = await waiting;
        Assert.Equal(ExitCodes.ConfigurationOrDaemon, code);
    }
}
