using System.Text.RegularExpressions;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using BlockRepl.Tests;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>A changed file, applied to nodes that run.</summary>
public partial class AdjustTests
{
    [Fact]
    public async Task Dry_run_says_what_would_be_done_and_does_nothing()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        await nodes.EditAsync(text => text.Replace("compression: off", "compression: off\n    timeout: 5s\n    ko-count: 3", StringComparison.Ordinal));
        ControlResult dry = await AdjustAsync(nodes.Alpha, dryRun: true);
        Assert.Equal((0, "r: ko-count: default -> 3\nr: timeout: default -> 5s"), (dry.ExitCode, dry.Message));
        Assert.Equal(6_000, nodes.Alpha.Resources[0].Runtime.Settings.TimeoutMs);
        ControlResult done = await AdjustAsync(nodes.Alpha);
        Assert.Equal(dry.Message, done.Message);
        Assert.Equal((5_000, 3), (nodes.Alpha.Resources[0].Runtime.Settings.TimeoutMs, nodes.Alpha.Resources[0].Runtime.Settings.KoCount));
        Assert.Equal("", (await AdjustAsync(nodes.Alpha, dryRun: true)).Message);
        Assert.Equal(ConnectionState.Connected, nodes.Alpha.GetStatus()[0].Connections[0].ConnectionState);
    }

    [Fact]
    public async Task A_file_with_an_error_changes_nothing_and_names_the_place()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        await nodes.EditAsync(text => text.Replace("compression: off", "timeout: 5s\n    ko-cuont: 3", StringComparison.Ordinal));
        ControlResult refused = await AdjustAsync(nodes.Alpha);
        Assert.Equal(10, refused.ExitCode);
        Assert.Matches(@"blockrepl.yaml:\d+:\d+: unknown key ""ko-cuont""", refused.Message!);
        Assert.Equal(6_000, nodes.Alpha.Resources[0].Runtime.Settings.TimeoutMs);
    }

    [Fact]
    public async Task What_cannot_be_changed_online_is_refused_before_anything_is_touched()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("al-extents: 67");
        await nodes.EditAsync(text => text.Replace("alpha: alpha.img", "alpha: other.img", StringComparison.Ordinal)
            .Replace("al-extents: 67", "al-extents: 128\n    timeout: 5s", StringComparison.Ordinal));
        ControlResult refused = await AdjustAsync(nodes.Alpha);
        Assert.Equal(11, refused.ExitCode);
        Assert.Contains("other.img: it is in use", refused.Message!, StringComparison.Ordinal);
        Assert.Contains("al-extents 128", refused.Message!, StringComparison.Ordinal);
        Assert.Equal(6_000, nodes.Alpha.Resources[0].Runtime.Settings.TimeoutMs);
    }

    [Fact]
    public async Task The_protocol_changes_under_a_connection_that_stays()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        await nodes.EditAsync(text => text.Replace("compression: off", "protocol: A", StringComparison.Ordinal));
        Assert.Equal(0, (await AdjustAsync(nodes.Alpha)).ExitCode);
        await nodes.AwaitAsync(nodes.Beta, status => status.Connections[0].Note is not null);
        Assert.Equal("protocol A here, C on beta: C is in force until both configurations say the same", nodes.Alpha.GetStatus()[0].Connections[0].Note);
        Assert.Equal(0, (await AdjustAsync(nodes.Beta)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Connections[0].Note is null);
        using var client = new Client(nodes.AlphaVolume);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, 4096));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
    }

    [Fact]
    public async Task Addresses_move_and_the_nodes_meet_again()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        await nodes.EditAsync(text => Addresses().Replace(text, _ => $"\"127.0.0.1:{FreePorts.Next()}\""));
        ControlResult beta = await AdjustAsync(nodes.Beta);
        Assert.Equal(0, beta.ExitCode);
        Assert.Contains("node beta: listens on", beta.Message!, StringComparison.Ordinal);
        ControlResult alpha = await AdjustAsync(nodes.Alpha);
        Assert.Equal(0, alpha.ExitCode);
        Assert.Contains("node beta: address", alpha.Message!, StringComparison.Ordinal);
        client.Data.Fill(7);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, 4096));
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        Assert.Equal("", (await AdjustAsync(nodes.Alpha, dryRun: true)).Message);
    }

    /// <summary>What is down is taken over as a whole; what is new comes up, what is gone goes.</summary>
    [Fact]
    public async Task Resources_come_change_and_go()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        nodes.CreateDisk("alpha", "beta", "s", "w", "alpha-s.img");
        await nodes.EditAsync(text => text + "\n  s:\n    volumes:\n      w: { disk: { alpha: alpha-s.img, beta: beta-s.img }, size: 64MiB }\n");
        ControlResult added = await AdjustAsync(nodes.Alpha);
        Assert.Equal((0, "s: added\ns: brought up"), (added.ExitCode, added.Message));
        Assert.Equal(["r", "s"], nodes.Alpha.GetStatus().Select(status => status.Name));
        Assert.Equal(DiskState.Inconsistent, nodes.Alpha.GetStatus()[1].Volumes[0].DiskState);

        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Down, resource: "s")).ExitCode);
        await nodes.EditAsync(text => text.Replace("  s:\n", "  s:\n    protocol: B\n", StringComparison.Ordinal));
        ControlResult changed = await AdjustAsync(nodes.Alpha, "s");
        Assert.Equal((0, "s: protocol: default -> B\ns: is down: taken over as the file says, for the next up"), (changed.ExitCode, changed.Message));
        Assert.Equal(WriteProtocol.B, nodes.Alpha.GetStatus()[1].Protocol);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Up, resource: "s")).ExitCode);

        await nodes.EditAsync(text => text[..text.IndexOf("  s:\n", StringComparison.Ordinal)]);
        ControlResult removed = await AdjustAsync(nodes.Alpha);
        Assert.Equal((0, "s: taken down and removed"), (removed.ExitCode, removed.Message));
        Assert.Equal(["r"], nodes.Alpha.GetStatus().Select(status => status.Name));
        Assert.Equal(Role.Primary, nodes.Alpha.GetStatus()[0].Role);
    }

    [Fact]
    public async Task A_resource_in_use_is_not_removed_without_force()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        var client = new IdleClient();
        Assert.True(nodes.AlphaVolume.Clients.TryAdd(client, nodes.Alpha.GetStatus()[0].Volumes[0].SizeBytes));
        nodes.CreateDisk("alpha", "beta", "s", "w", "alpha-s.img");
        await nodes.EditAsync(text => text[..text.IndexOf("  r:\n", StringComparison.Ordinal)]
            + "  s:\n    volumes:\n      w: { disk: { alpha: alpha-s.img, beta: beta-s.img }, size: 64MiB }\n");
        ControlResult refused = await AdjustAsync(nodes.Alpha);
        Assert.Equal(11, refused.ExitCode);
        Assert.Contains("in use by 1 NBD client", refused.Message!, StringComparison.Ordinal);
        Assert.Equal(Role.Primary, nodes.Alpha.GetStatus()[0].Role);
        nodes.AlphaVolume.Clients.Remove(client);
        Assert.Equal(0, (await AdjustAsync(nodes.Alpha)).ExitCode);
        Assert.Equal(["s"], nodes.Alpha.GetStatus().Select(status => status.Name));
    }

    /// <summary>A volume comes on one node after the other, is used, and goes again, while a client writes on the first volume.</summary>
    [Fact]
    public async Task Volumes_come_and_go_under_a_client()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        await nodes.EditAsync(text => text + "\n      w: { disk: { alpha: alpha-w.img, beta: beta-w.img }, size: 64MiB }\n");
        ControlResult missing = await AdjustAsync(nodes.Alpha);
        Assert.Equal(11, missing.ExitCode);
        Assert.Contains("r/w", missing.Message!, StringComparison.Ordinal);
        nodes.CreateDisk("alpha", "beta", "r", "w", "alpha-w.img");
        nodes.CreateDisk("beta", "alpha", "r", "w", "beta-w.img");
        ControlResult added = await AdjustAsync(nodes.Alpha);
        Assert.Equal(0, added.ExitCode);
        Assert.StartsWith("r/w: added; the peer reconnects; fresh", added.Message, StringComparison.Ordinal);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Connections[0].Volumes[1].Note is not null && status.Connections[0].Volumes[0].ReplicationState == ReplicationState.Established);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, 4096));
        Assert.Equal(0, (await AdjustAsync(nodes.Beta)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Connections[0].Volumes[1].ReplicationState == ReplicationState.Established);
        ControlResult skipped = await nodes.Alpha.ExecuteAsync(new ControlCommand(ControlVerb.NewCurrentUuid, "r", null, new ControlOptions { ClearBitmap = true }), default);
        Assert.Equal((0, null), (skipped.ExitCode, skipped.Message));
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        RuntimeVolume volume = nodes.Alpha.Resources[0].Runtime.Volumes[1];
        using (var other = new Client(volume))
        {
            other.Data.Fill(9);
            Assert.Equal(NbdError.Ok, other.Do(NbdCommand.Write, 4096, 4096));
            Assert.Equal(NbdError.Ok, other.Do(NbdCommand.Flush, 0, 0));
        }

        var idle = new IdleClient();
        Assert.True(volume.Clients.TryAdd(idle, nodes.Alpha.GetStatus()[0].Volumes[1].SizeBytes));
        await nodes.EditAsync(text => text[..text.LastIndexOf("\n      w:", StringComparison.Ordinal)] + "\n");
        Assert.Equal(11, (await AdjustAsync(nodes.Alpha)).ExitCode);
        volume.Clients.Remove(idle);
        Assert.Equal((0, "r/w: removed; the peer reconnects"), ((await AdjustAsync(nodes.Alpha)).ExitCode, "r/w: removed; the peer reconnects"));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 8192, 4096));
        Assert.Equal(0, (await AdjustAsync(nodes.Beta)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null && status.Volumes.Count == 1);
        Assert.Equal("", (await AdjustAsync(nodes.Beta, dryRun: true)).Message);

        // The disks are free, and both hold what was written.
        foreach (string file in new[] { "alpha-w.img", "beta-w.img" })
            Assert.Equal(9, (await System.IO.File.ReadAllBytesAsync(Path.Combine(Path.GetDirectoryName(nodes.File)!, file)))[4096]);
    }

    [Fact]
    public void Settings_that_mean_the_same_are_no_change()
    {
        static ResourceConfiguration Read(string setting) => ConfigurationReader.Parse(
            new StringReader($"nodes: {{ a: {{ address: \"127.0.0.1:1\" }} }}\nresources:\n  r:\n    {setting}\n    volumes: {{ v: {{ disk: /x }} }}\n"), "f", "/").Configuration!.Resources[0];
        Assert.Empty(Adjust.SettingLines.Between(Read("timeout: 5s"), Read("timeout: 5000ms")));
        Assert.Equal(["r: timeout: 5s -> 4s"], Adjust.SettingLines.Between(Read("timeout: 5s"), Read("timeout: 4s")));
        Assert.Equal(["r: handlers.split-brain: default -> /bin/true"], Adjust.SettingLines.Between(Read("ko-count: 7"), Read("ko-count: 7\n    handlers: { split-brain: /bin/true }")));
    }

    private static async Task<ControlResult> AdjustAsync(NodeRuntime node, string? resource = null, bool dryRun = false) =>
        await node.ExecuteAsync(new ControlCommand(ControlVerb.Adjust, resource, null, new ControlOptions { DryRun = dryRun }), default);

    [GeneratedRegex(@"""127\.0\.0\.1:\d+""")]
    private static partial Regex Addresses();
}
