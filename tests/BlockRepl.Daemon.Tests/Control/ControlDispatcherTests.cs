using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Control;

public sealed class ControlDispatcherTests
{
    private readonly FakeTarget _target = new(Statuses.Mail(), Statuses.Mail(name: "web"));
    private readonly ControlDispatcher _dispatcher;

    public ControlDispatcherTests() => _dispatcher = new ControlDispatcher(_target, _target.Events, TimeProvider.System);

    [Fact]
    public async Task All_is_each_resource_in_order_and_the_first_failure_counts()
    {
        _target.Answer = c => c.Resource == "mail" ? ControlResult.Refused("mail says no") : ControlResult.Failed("web too");
        var response = await _dispatcher.ExecuteAsync(new ControlRequest(ControlVerb.Up, "all"), CancellationToken.None);

        Assert.Equal(["mail", "web"], _target.Commands.Select(c => c.Resource));
        Assert.Equal(ExitCodes.StateRefused, response.ExitCode);
        Assert.Equal(2, response.Results.Count);
    }

    [Fact]
    public async Task Adjust_all_is_one_command_because_resources_may_be_new()
    {
        await _dispatcher.ExecuteAsync(new ControlRequest(ControlVerb.Adjust, "all", new ControlOptions { DryRun = true }), CancellationToken.None);
        Assert.Equal([new ControlCommand(ControlVerb.Adjust, null, null, new ControlOptions { DryRun = true })], _target.Commands);
    }

    [Theory]
    [InlineData(ControlVerb.Primary, "post", ExitCodes.ConfigurationOrDaemon, "resource \"post\" is not defined in the configuration", "defined: mail, web")]
    [InlineData(ControlVerb.Attach, "mail/x", ExitCodes.ConfigurationOrDaemon, "volume \"mail/x\" is not defined in the configuration", "defined: mail/spool")]
    [InlineData(ControlVerb.Primary, "mail/spool", ExitCodes.Usage, "primary works on a whole resource, not on the volume mail/spool", "name the resource mail")]
    [InlineData(ControlVerb.Primary, "a b", ExitCodes.Usage, "\"a b\" is neither RESOURCE nor RESOURCE/VOLUME nor all", null)]
    public async Task A_name_that_is_not_there_reaches_nobody(ControlVerb verb, string name, int code, string message, string? hint)
    {
        var response = await _dispatcher.ExecuteAsync(new ControlRequest(verb, name), CancellationToken.None);

        Assert.Equal(new ControlResult(code, message, hint), Assert.Single(response.Results));
        Assert.Empty(_target.Commands);
    }

    [Fact]
    public async Task A_wait_ends_with_the_event_that_it_waits_for()
    {
        _target.Set(Statuses.Mail(connection: ConnectionState.Connecting));
        var wait = _dispatcher.WaitAsync(WaitGoal.Connect, "mail", null, CancellationToken.None).AsTask();
        Assert.False(wait.IsCompleted);
        _target.Set(Statuses.Mail(connection: ConnectionState.Unconnected));
        _target.Set(Statuses.Mail());

        Assert.Equal(ControlResult.Done, await wait.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_wait_that_times_out_says_what_is_missing()
    {
        _target.Set(Statuses.Mail(outOfSync: 4096));
        var result = await _dispatcher.WaitAsync(WaitGoal.Sync, "all", TimeSpan.FromMilliseconds(1), CancellationToken.None);

        Assert.Equal(ExitCodes.TimedOut, result.ExitCode);
        Assert.Equal("wait-sync gave up after 1ms: mail/spool@beta has 4096 bytes out of sync", result.Message);
    }

    public static TheoryData<WaitGoal, Role, ConnectionState, ReplicationState, DiskState, DiskState, long, string?> Goals => new()
    {
        { WaitGoal.Sync, Role.Secondary, ConnectionState.Connected, ReplicationState.Established, DiskState.UpToDate, DiskState.UpToDate, 0, null },
        { WaitGoal.Sync, Role.Secondary, ConnectionState.Connecting, ReplicationState.Off, DiskState.UpToDate, DiskState.DUnknown, 0, "the connection of mail to beta is Connecting" },
        { WaitGoal.Sync, Role.Secondary, ConnectionState.Connected, ReplicationState.SyncTarget, DiskState.UpToDate, DiskState.UpToDate, 0, "mail/spool@beta is SyncTarget" },
        { WaitGoal.Sync, Role.Secondary, ConnectionState.Connected, ReplicationState.Established, DiskState.Inconsistent, DiskState.UpToDate, 0, "the disk of mail/spool is Inconsistent" },
        { WaitGoal.Sync, Role.Secondary, ConnectionState.Connected, ReplicationState.Established, DiskState.UpToDate, DiskState.Outdated, 0, "the disk of mail/spool@beta is Outdated" },
        { WaitGoal.Sync, Role.Secondary, ConnectionState.Connected, ReplicationState.Established, DiskState.UpToDate, DiskState.UpToDate, 1, "mail/spool@beta has 1 bytes out of sync" },
        { WaitGoal.Connect, Role.Secondary, ConnectionState.Connected, ReplicationState.SyncTarget, DiskState.Inconsistent, DiskState.UpToDate, 9, null },
        { WaitGoal.Primary, Role.Secondary, ConnectionState.Connected, ReplicationState.Established, DiskState.UpToDate, DiskState.UpToDate, 0, "mail is Secondary" },
        { WaitGoal.Primary, Role.Primary, ConnectionState.StandAlone, ReplicationState.Off, DiskState.UpToDate, DiskState.DUnknown, 9, null },
    };

    [Theory]
    [MemberData(nameof(Goals))]
    public void In_sync_is_all_of_it(
        WaitGoal goal, Role role, ConnectionState connection, ReplicationState replication, DiskState disk, DiskState peerDisk, long outOfSync, string? missing) =>
        Assert.Equal(missing, WaitCondition.Missing(goal, Statuses.Mail(role, connection, replication, disk, peerDisk, outOfSync), null));
}
