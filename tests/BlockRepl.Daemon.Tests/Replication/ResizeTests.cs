using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Volumes on real files grow under a connection, and are found again after a restart.</summary>
public class ResizeTests
{
    private static async Task<ControlResult> ResizeAsync(NodeRuntime node, long size = 0) => await node.ExecuteAsync(
        new ControlCommand(ControlVerb.Resize, TwoNodes.Resource, "v", new ControlOptions { SizeBytes = size }), default);

    private static async Task<ControlResult> AdjustAsync(NodeRuntime node) =>
        await node.ExecuteAsync(new ControlCommand(ControlVerb.Adjust, null, null, new ControlOptions()), default);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_file_grows_to_its_configured_size_on_both_nodes(bool fromTheSecondary)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        long before = nodes.Alpha.GetStatus()[0].Volumes[0].SizeBytes;
        using (var client = new Client(nodes.AlphaVolume))
        {
            client.Data.Fill(5);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, before - 4096, 4096));
        }

        ControlResult nothing = await ResizeAsync(nodes.Alpha);
        Assert.Equal(0, nothing.ExitCode);
        Assert.Contains("are served already", nothing.Message!, StringComparison.Ordinal);
        await nodes.EditAsync(text => text.Replace($"size: {64 << 20}", "size: 160MiB", StringComparison.Ordinal));
        Assert.Contains("for resize to take up", (await AdjustAsync(nodes.Alpha)).Message!, StringComparison.Ordinal);
        ControlResult alone = await ResizeAsync(nodes.Alpha, 128L << 20);
        Assert.Equal(11, alone.ExitCode);
        Assert.Contains($"beta {before}", alone.Message!, StringComparison.Ordinal);
        Assert.Equal(0, (await AdjustAsync(nodes.Beta)).ExitCode);
        ControlResult grown = await ResizeAsync(fromTheSecondary ? nodes.Beta : nodes.Alpha);
        Assert.Equal(0, grown.ExitCode);
        long after = nodes.Alpha.GetStatus()[0].Volumes[0].SizeBytes;
        Assert.True(after > 150L << 20, grown.Message);
        await nodes.AwaitAsync(nodes.Beta, status => status.Volumes[0].SizeBytes == after);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        using (var client = new Client(nodes.AlphaVolume))
        {
            client.Data.Fill(6);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, after - 4096, 4096));
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        }

        // The metadata at its new place is what a restart finds.
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Down)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Up)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        Assert.Equal(after, nodes.Beta.GetStatus()[0].Volumes[0].SizeBytes);
        foreach (RuntimeVolume volume in new[] { nodes.AlphaVolume, nodes.BetaVolume })
        {
            Assert.Equal((5, 0, 6), (ReadByte(volume, before - 1), ReadByte(volume, before), ReadByte(volume, after - 1)));
        }
    }

    [Fact]
    public async Task A_client_that_is_connected_keeps_its_size_and_the_next_one_sees_the_new()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        await nodes.EditAsync(text => text.Replace($"size: {64 << 20}", "size: 128MiB", StringComparison.Ordinal));
        Assert.Equal((0, 0), ((await AdjustAsync(nodes.Alpha)).ExitCode, (await AdjustAsync(nodes.Beta)).ExitCode));
        long before = nodes.Alpha.GetStatus()[0].Volumes[0].SizeBytes;
        var first = new IdleClient();
        Assert.True(nodes.AlphaVolume.Clients.TryAdd(first, before));
        var session = new NbdSession(nodes.AlphaVolume, NbdTransmissionFlags.Volume, false, false);
        Assert.Equal(0, (await ResizeAsync(nodes.Alpha)).ExitCode);
        long after = nodes.Alpha.GetStatus()[0].Volumes[0].SizeBytes;
        var second = new IdleClient();
        Assert.True(nodes.AlphaVolume.Clients.TryAdd(second, after));
        Assert.True(after > before);
        Assert.Equal((before, after), (session.Info.SizeBytes, nodes.AlphaVolume.Info.SizeBytes));
        nodes.AlphaVolume.Clients.Remove(first);
        nodes.AlphaVolume.Clients.Remove(second);
    }

    private static byte ReadByte(RuntimeVolume volume, long offset)
    {
        Span<byte> one = stackalloc byte[1];
        Assert.Equal(DiskResult.Ok, volume.Disk!.Read(offset, one));
        return one[0];
    }
}
