using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Tests;

/// <summary><c>check</c> speaks as monitoring plugins do: one line, and 0, 1, 2 or 3.</summary>
public sealed partial class CheckTests
{
    private static ResourceStatus Good => Statuses.Mail();

    public static TheoryData<int, string, ResourceStatus> States => new()
    {
        { 0, "OK - mail Secondary, in sync with beta (Primary), fencing dont-care", Good },
        { 2, "CRITICAL - mail/spool is Diskless", Statuses.Mail(disk: DiskState.Diskless) },
        { 2, "CRITICAL - mail/spool is Failed, served by beta", WithVolume(Good, v => v with { DiskState = DiskState.Failed, ServedBy = "beta" }) },
        { 2, "CRITICAL - mail/spool: no data accessible (beta is gone)", WithVolume(Good, v => v with { NoData = "beta is gone" }) },
        { 2, "CRITICAL - mail/spool is Outdated", Statuses.Mail(disk: DiskState.Outdated) },
        { 1, "WARNING - mail/spool is Consistent", Statuses.Mail(disk: DiskState.Consistent) },
        { 1, "WARNING - mail/spool is Inconsistent, being resynced; mail/spool@beta: SyncTarget 100%, 4KiB out of sync", Statuses.Mail(disk: DiskState.Inconsistent, replication: ReplicationState.SyncTarget, outOfSync: 4096) },
        { 1, "WARNING - mail@beta is Connecting, away for 59 s (no route)", WithPeer(Good, c => c with { ConnectionState = ConnectionState.Connecting, DisconnectedSeconds = 59, Detail = "no route" }) },
        { 2, "CRITICAL - mail@beta is Connecting, away for 60 s", WithPeer(Good, c => c with { ConnectionState = ConnectionState.Connecting, DisconnectedSeconds = 60 }) },
        { 2, "CRITICAL - mail@beta is StandAlone (disconnected by hand)", WithPeer(Good, c => c with { ConnectionState = ConnectionState.StandAlone, Detail = "disconnected by hand" }) },
        { 2, "CRITICAL - mail@beta: split brain (here / there both)", WithPeer(Good, c => c with
            {
                ConnectionState = ConnectionState.StandAlone, Detail = "here | there\nboth", Volumes = [c.Volumes[0] with { SplitBrain = new SplitBrainStatus { ChangedHereBytes = 1, ChangedThereBytes = 1 } }],
            }) },
        { 1, "WARNING - mail@beta: 15MiB wait for a congested link", WithPeer(Good, c => c with { IsCongested = true, QueuedBytes = 15 << 20 }) },
        { 1, "WARNING - mail/spool@beta: 4KiB out of sync", Statuses.Mail(outOfSync: 4096) },
        { 1, "WARNING - mail/spool@beta: PausedSyncS, 4KiB out of sync", Statuses.Mail(replication: ReplicationState.PausedSyncS, outOfSync: 4096) },
        { 1, "WARNING - mail/spool@beta: the peer's disk is Outdated", Statuses.Mail(peerDisk: DiskState.Outdated) },
        { 2, "CRITICAL - mail/spool@beta: the peer's disk is Diskless", Statuses.Mail(peerDisk: DiskState.Diskless) },
        { 2, "CRITICAL - mail/spool@beta: not on the peer", WithPeer(Good, c => c with { Volumes = [c.Volumes[0] with { Note = "not on the peer" }] }) },
        { 0, "OK - mail Secondary", Statuses.Mail(replication: ReplicationState.VerifyS) },
        { 2, "CRITICAL - mail: I/O is held by fencing for 0 s (fence-peer runs)", Held("fencing", 0, "fence-peer runs") },
        { 1, "WARNING - mail: I/O is held by user for 5 s", Held("user", 5) },
        { 0, "OK", Held("handshake", 29) },
        { 2, "CRITICAL - mail: I/O is held by handshake for 30 s", Held("handshake", 30) },
    };

    [Theory]
    [MemberData(nameof(States))]
    public async Task A_state_is_one_line_and_its_exit_status(int code, string says, ResourceStatus state)
    {
        await using var harness = await Harness.StartAsync(state);
        var (status, output, error) = await harness.RunAsync("check", "mail");

        Assert.Equal((code, ""), (status, error));
        Assert.StartsWith($"BLOCKREPL {says}", output, StringComparison.Ordinal);
        Assert.Matches(Plugin(), output);
    }

    [Fact]
    public async Task The_worst_resource_counts_and_is_told_first()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail(outOfSync: 4096), Good with { Name = "home" }, Statuses.Mail(disk: DiskState.Failed, name: "web"));
        var (status, output, _) = await harness.RunAsync("check");

        Assert.Equal(2, status);
        Assert.StartsWith("BLOCKREPL CRITICAL - web/spool is Failed; mail/spool@beta: 4KiB out of sync |", output, StringComparison.Ordinal);
        Assert.Contains(" home/spool@beta_out_of_sync=0B;1;;0 ", output, StringComparison.Ordinal);
    }

    public static TheoryData<int, string, ResourceStatus> Thresholds => new()
    {
        { 0, "check --out-of-sync-warning 8KiB", Statuses.Mail(outOfSync: 4096) },
        { 2, "check --out-of-sync-critical 4KiB", Statuses.Mail(outOfSync: 4096) },
        { 0, "check", Unsynced(100) },
        { 2, "check --resync-age-critical 100s", Unsynced(100) },
        { 0, "check --resync-age-critical 101s", Unsynced(100) },
        { 2, "check --disconnected-critical 10s", WithPeer(Good, c => c with { ConnectionState = ConnectionState.Connecting, DisconnectedSeconds = 10 }) },
        { 1, "check --suspended-critical 10m", Held("user", 300) },
        { 1, "check --require-fencing", Good },
        { 1, "check --require-fencing", Good with { Fencing = "resource-and-stonith" } },
        { 1, "check --require-fencing", Good with { HasFencePeer = true } },
        { 0, "check --require-fencing", Good with { Fencing = "resource-only", HasFencePeer = true } },
        { 0, "check --require-fencing", Good with { Connections = [] } },
        { 0, "check --require-primary", Good },
        { 0, "check --require-primary", Good with { Role = Role.Primary, Connections = [] } },
        { 2, "check --require-primary", WithPeer(Good, c => c with { PeerRole = Role.Secondary }) },
        { 0, "check --verify-age-warning 35d", Good with { RunningSeconds = 34 * 86400 } },
        { 1, "check --verify-age-warning 35d", Good with { RunningSeconds = 35 * 86400 } },
        { 0, "check --verify-age-warning 35d", Verified("done", 34) },
        { 1, "check --verify-age-warning 35d", Verified("done", 36) },
        { 1, "check --verify-age-warning 35d", Verified("stopped", 1) },
        { 0, "check --verify-age-warning 35d", Verified("running", null) },
    };

    [Theory]
    [MemberData(nameof(Thresholds))]
    public async Task What_counts_as_bad_can_be_said(int code, string line, ResourceStatus state)
    {
        await using var harness = await Harness.StartAsync(state);
        var (status, output, error) = await harness.RunAsync(line.Split(' '));
        Assert.Equal((code, ""), (status, error));
        Assert.Matches(Plugin(), output);
    }

    [Fact]
    public async Task A_daemon_that_is_not_there_is_critical()
    {
        await using var harness = Harness.WithoutDaemon();
        var (status, output, error) = await harness.RunAsync("check", "mail");
        Assert.Equal((2, ""), (status, error));
        Assert.StartsWith("BLOCKREPL CRITICAL - the daemon cannot be reached at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_does_not_answer_is_critical_when_its_time_is_over()
    {
        await using var harness = Harness.WithoutDaemon();
        using var deaf = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        deaf.Bind(new UnixDomainSocketEndPoint(harness.Directory.File("control.sock")));
        deaf.Listen();
        Assert.Equal((2, "BLOCKREPL CRITICAL - the daemon does not answer for 100ms\n", ""), await harness.RunAsync("check", "--timeout", "100ms"));
    }

    [Fact]
    public async Task A_name_that_is_not_defined_tells_nothing_about_the_data()
    {
        await using var harness = await Harness.StartAsync(Good);
        var (status, output, _) = await harness.RunAsync("check", "mial");
        Assert.Equal(3, status);
        Assert.StartsWith("BLOCKREPL UNKNOWN - ", output, StringComparison.Ordinal);
    }

    /// <summary>A package may be upgraded under a running daemon: the command is then newer than what answers it.</summary>
    [Fact]
    public async Task The_status_of_a_daemon_that_knows_less_is_understood()
    {
        JsonArray resources = JsonSerializer.SerializeToNode<IReadOnlyList<ResourceStatus>>([Good], ControlJson.Default.IReadOnlyListResourceStatus)!.AsArray();
        // The keys that came after the first release's.
        foreach (string key in new[] { "fencing", "has_fence_peer", "handlers", "running_seconds" })
            Assert.True(resources[0]!.AsObject().Remove(key), key);
        JsonObject connection = resources[0]!["connections"]![0]!.AsObject();
        foreach (string key in new[] { "disconnected_seconds", "queued_bytes", "is_congested" })
            Assert.True(connection.Remove(key), key);
        Assert.True(connection["volumes"]![0]!.AsObject().Remove("out_of_sync_seconds"));
        byte[] body = System.Text.Encoding.UTF8.GetBytes(resources.ToJsonString());

        await using var harness = Harness.WithoutDaemon();
        using var older = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        older.Bind(new UnixDomainSocketEndPoint(harness.Directory.File("control.sock")));
        older.Listen();
        Task answering = Task.Run(async () =>
        {
            using Socket caller = await older.AcceptAsync();
            await caller.ReceiveAsync(new byte[4096]);
            await caller.SendAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n"));
            await caller.SendAsync(body);
        });
        var (status, output, _) = await harness.RunAsync("check");
        await answering;
        Assert.Equal(0, status);
        Assert.StartsWith("BLOCKREPL OK - mail Secondary", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_configured_is_not_ok()
    {
        await using var harness = await Harness.StartAsync();
        Assert.Equal((3, "BLOCKREPL UNKNOWN - no resource is configured\n", ""), await harness.RunAsync("check"));
    }

    [Theory]
    [InlineData("--verify-age-warning", "soon")]
    [InlineData("--disconnected-critical", "10")]
    [InlineData("--out-of-sync-critical", "much")]
    public async Task A_wrong_threshold_is_a_usage_error(string option, string value)
    {
        await using var harness = await Harness.StartAsync(Good);
        var (status, output, error) = await harness.RunAsync("check", option, value);
        Assert.Equal((2, ""), (status, output));
        Assert.Contains(value, error, StringComparison.Ordinal);
    }

    private static ResourceStatus WithVolume(ResourceStatus state, Func<VolumeStatus, VolumeStatus> change) => state with { Volumes = [change(state.Volumes[0])] };

    private static ResourceStatus WithPeer(ResourceStatus state, Func<ConnectionStatus, ConnectionStatus> change) => state with { Connections = [change(state.Connections[0])] };

    private static ResourceStatus Held(string reason, long seconds, string? detail = null) =>
        Good with { Suspended = [reason], SuspendedDetails = [new SuspensionStatus(reason, seconds, detail)] };

    private static ResourceStatus Unsynced(long seconds) => WithPeer(Good, c => c with { Volumes = [c.Volumes[0] with { OutOfSyncSeconds = seconds }] });

    private static ResourceStatus Verified(string state, int? daysAgo) => WithPeer(Good with { RunningSeconds = 90 * 86400 }, c => c with
    {
        Volumes =
        [
            c.Volumes[0] with
            {
                Verify = new VerifyStatus { State = state, StartedAt = DateTimeOffset.UtcNow.AddDays(-40), EndedAt = daysAgo is { } days ? DateTimeOffset.UtcNow.AddDays(-days) : null },
            },
        ],
    });

    /// <summary>One line: text without a bar, then labels with value, unit and at most four limits.</summary>
    [GeneratedRegex(@"\A[^|\n]+( \|( [^= ]+=[-0-9.]+(us|ms|s|%|B|c)?(;[0-9.]*){0,4})+)?\n\z")]
    private static partial Regex Plugin();
}
