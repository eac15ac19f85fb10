using BlockRepl.Daemon.Control;
using BlockRepl.Device;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>io-errors: a failing disk under the runtime does not stop the service (G11).</summary>
public class DiskFailureTests
{
    private const int FourKiB = 4096;
    private const long MetadataAt = 60L << 20;

    [Theory]
    [InlineData(DeviceOperation.Read, NbdCommand.Read, false)]
    [InlineData(DeviceOperation.Write, NbdCommand.Write, false)]
    [InlineData(DeviceOperation.Flush, NbdCommand.Flush, false)]
    [InlineData(DeviceOperation.WriteZeroes | DeviceOperation.Discard, NbdCommand.Trim, false)]
    [InlineData(DeviceOperation.Write, NbdCommand.Write, true)]
    public async Task G11_the_Primarys_client_sees_no_error(DeviceOperation failing, NbdCommand command, bool inMetadata)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        client.Data.Fill(1);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
        nodes.Faults["alpha"].Inject(new DeviceFault(failing, DiskResult.Io, inMetadata ? new ByteRange(MetadataAt, 4 << 20) : null));

        // In an extent that is not active yet: with faults in the metadata its activation fails.
        Assert.Equal(NbdError.Ok, client.Do(command, command == NbdCommand.Flush ? 0 : 8 << 20, command == NbdCommand.Flush ? 0 : FourKiB));
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0] is { DiskState: DiskState.Diskless, ServedBy: "beta" });
        for (int i = 1; i < 20; i++)
        {
            client.Data.Fill((byte)(i + 1));
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, i * 16384L, FourKiB));
            client.Data.Clear();
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, i * 16384L, FourKiB));
            Assert.False(client.Data[..FourKiB].ContainsAnyExcept((byte)(i + 1)));
        }

        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.BlockStatus, 0, 1 << 20));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, 0, FourKiB));
        Assert.Equal(1, client.Data[0]);
    }

    [Theory]
    [InlineData(DeviceOperation.Write)]
    [InlineData(DeviceOperation.Flush)]
    public async Task G11_a_Secondarys_failed_disk_does_not_disturb_the_Primary_and_comes_back(DeviceOperation failing)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        nodes.Faults["beta"].Inject(new DeviceFault(failing, DiskResult.Io));
        client.Data.Fill(9);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        await nodes.AwaitAsync(nodes.Beta, status => status.Volumes[0].DiskState == DiskState.Diskless);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 65536, FourKiB));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Up)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        Span<byte> one = stackalloc byte[1];
        foreach (long offset in new[] { 0L, 65536L })
        {
            Assert.Equal(DiskResult.Ok, nodes.BetaVolume.Disk!.Read(offset, one));
            Assert.Equal(9, one[0]);
        }
    }

    /// <summary>G1, I1: the failed disk is the target when it comes back, whoever is Primary.</summary>
    [Fact]
    public async Task I1_the_failed_disk_of_a_Primary_is_resynced_from_the_peer_that_served()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using (var client = new Client(nodes.AlphaVolume))
        {
            nodes.Faults["alpha"].Inject(new DeviceFault(DeviceOperation.Write, DiskResult.Io));
            client.Data.Fill(5);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
            await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        }

        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Up)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        Assert.Equal(5, ReadAlpha(nodes));
    }

    /// <summary>attach and detach, with clients at work all the time.</summary>
    [Fact]
    public async Task G11_a_Primarys_disk_is_detached_and_taken_back_while_its_client_goes_on()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        client.Data.Fill(1);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, 64 << 10));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
        // Said behind the request to serve: from here on beta knows that it has the only copy.
        await nodes.AwaitAsync(nodes.Beta, status => status.Connections[0].Volumes[0].PeerDiskState <= DiskState.Failed);
        Assert.Equal(11, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Detach, volume: "v")).ExitCode);
        Assert.Equal(11, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Up)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0] is { DiskState: DiskState.Diskless, ServedBy: "beta" });
        byte value = 1;
        for (int round = 0; round < 5; round++)
        {
            for (int i = 0; i < 20; i++)
                WriteAndRead(client, i * 1048576L, ++value);
            Task<ControlResult> attached = TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v");
            for (int i = 0; i < 20; i++)
                WriteAndRead(client, i * 1048576L + 4096 * round, ++value);
            Assert.Equal(0, (await attached).ExitCode);
            for (int i = 0; i < 20; i++)
                WriteAndRead(client, i * 2097152L, ++value);
            await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
            Assert.Null(nodes.Alpha.GetStatus()[0].Volumes[0].ServedBy);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
            byte[] here = new byte[40 << 20];
            byte[] there = new byte[40 << 20];
            Assert.Equal(DiskResult.Ok, nodes.AlphaVolume.Disk!.Read(0, here));
            Assert.Equal(DiskResult.Ok, nodes.BetaVolume.Disk!.Read(0, there));
            Assert.True(here.AsSpan().SequenceEqual(there));
            Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
            await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        }
    }

    /// <summary>The node's disk is dead; the peer has the data. This node serves it to its clients all the same, and takes a mended disk back.</summary>
    [Fact]
    public async Task G11_a_node_without_a_disk_is_promoted_and_serves_its_clients_from_the_peer()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using (var before = new Client(nodes.AlphaVolume))
            WriteAndRead(before, 0, 1);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless && status.Connections[0].Volumes[0].PeerDiskState == DiskState.UpToDate);
        Assert.True(nodes.Alpha.GetStatus()[0].MayPromote);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Primary)).ExitCode);
        ResourceStatus status = nodes.Alpha.GetStatus()[0];
        Assert.Equal("beta", status.Volumes[0].ServedBy);
        Assert.Equal(Role.Primary, status.Role);
        using var client = new Client(nodes.AlphaVolume);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, 0, FourKiB));
        Assert.Equal(1, client.Data[0]);
        WriteAndRead(client, 65536, 7);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, now => WaitCondition.Missing(WaitGoal.Sync, now, null) is null);
        WriteAndRead(client, 131072, 8);
        Span<byte> one = stackalloc byte[1];
        Assert.Equal(DiskResult.Ok, nodes.AlphaVolume.Disk!.Read(65536, one));
        Assert.Equal(7, one[0]);
    }

    private static void WriteAndRead(Client client, long offset, byte value)
    {
        client.Data.Fill(value);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, offset, FourKiB));
        client.Data.Clear();
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, offset, FourKiB));
        Assert.False(client.Data[..FourKiB].ContainsAnyExcept(value));
    }

    private static byte ReadAlpha(TwoNodes nodes)
    {
        Span<byte> one = stackalloc byte[1];
        Assert.Equal(DiskResult.Ok, nodes.AlphaVolume.Disk!.Read(0, one));
        return one[0];
    }
}
