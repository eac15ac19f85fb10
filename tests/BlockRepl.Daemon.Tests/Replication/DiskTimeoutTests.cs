using BlockRepl.Daemon.Control;
using BlockRepl.Device;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>disk-timeout: a disk that hangs is given up, nobody waits for the call, and what it brings late touches nothing (G11, G12, hard part 17).</summary>
public class DiskTimeoutTests
{
    private const int FourKiB = 4096;
    private const string OneSecond = "disk-timeout: 1s";

    [Theory]
    [InlineData(DeviceOperation.Write, NbdCommand.Write, 0)]
    [InlineData(DeviceOperation.Read, NbdCommand.Read, 0)]
    [InlineData(DeviceOperation.Flush, NbdCommand.Flush, 0)]
    [InlineData(DeviceOperation.WriteZeroes | DeviceOperation.Discard, NbdCommand.Trim, 0)]
    [InlineData(DeviceOperation.Write, NbdCommand.Write, 40 << 20)]
    public async Task G11_a_Primarys_disk_hangs_and_its_client_sees_no_error(DeviceOperation hanging, NbdCommand command, long offset)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(OneSecond);
        using var client = new Client(nodes.AlphaVolume);
        client.Data.Fill(1);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
        VolumeDiskPair disks = new(nodes);
        DelayDevice delay = nodes.Delays["alpha"];
        delay.Hold(hanging);

        // In an extent that is not active yet the metadata hangs, and the write behind it never begins.
        client.Data.Fill(2);
        Assert.Equal(NbdError.Ok, client.Do(command, command == NbdCommand.Flush ? 0 : offset, command == NbdCommand.Flush ? 0 : FourKiB));
        byte expected = command switch { NbdCommand.Read or NbdCommand.Flush => 1, NbdCommand.Trim => 0, _ => 2 };
        if (command == NbdCommand.Read)
            Assert.Equal(1, client.Data[0]);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0] is { DiskState: DiskState.Failed, ServedBy: "beta" });
        Assert.Contains(nodes.Alpha.GetStatus()[0].Volumes[0].WaitingFor, wait => wait.Contains("alpha.img", StringComparison.Ordinal) && wait.Contains("has not returned for", StringComparison.Ordinal));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
        ControlResult early = await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v");
        Assert.Equal(11, early.ExitCode);
        Assert.Contains("has not returned for", early.Message, StringComparison.Ordinal);

        // Served by the peer; the place of the call that hangs is written again, so that a late write would show.
        AssertReads(client, offset, command == NbdCommand.Flush ? (byte)1 : expected);
        for (int i = 0; i < 10; i++)
        {
            client.Data.Fill((byte)(i + 10));
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, offset + i * 8192, FourKiB));
            AssertReads(client, offset + i * 8192, (byte)(i + 10));
        }

        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.BlockStatus, 0, 1 << 20));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        Assert.Equal(DiskState.Failed, nodes.Alpha.GetStatus()[0].Volumes[0].DiskState);

        delay.Release();
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        AssertReads(client, offset, 10);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        AssertReads(client, offset, 10);
        disks.AssertEqual();
        Assert.Empty(nodes.Alpha.GetStatus()[0].Volumes[0].WaitingFor);
    }

    /// <summary>A read that comes back late, with success, falls into a buffer that is nobody's.</summary>
    [Fact]
    public async Task G11_what_a_read_brings_late_reaches_no_client()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(OneSecond);
        using var client = new Client(nodes.AlphaVolume);
        client.Data.Fill(1);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
        nodes.Delays["alpha"].Hold(DeviceOperation.Read);
        AssertReads(client, 0, 1);
        client.Data.Fill(2);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));

        // The old data arrives while the new is being read, into buffers of the same pool.
        nodes.Delays["alpha"].Release();
        for (int i = 0; i < 100; i++)
            AssertReads(client, 0, 2);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        AssertReads(client, 0, 2);
    }

    [Theory]
    [InlineData(DeviceOperation.Write)]
    [InlineData(DeviceOperation.Flush)]
    public async Task G12_a_Secondarys_disk_that_hangs_holds_up_neither_the_Primary_nor_down(DeviceOperation hanging)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(OneSecond);
        using var client = new Client(nodes.AlphaVolume);
        VolumeDiskPair disks = new(nodes);
        nodes.Delays["beta"].Hold(hanging);
        client.Data.Fill(9);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        await nodes.AwaitAsync(nodes.Beta, status => status.Volumes[0].DiskState == DiskState.Failed);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 65536, FourKiB));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Down)).ExitCode);
        ControlResult up = await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Up);
        Assert.Equal(11, up.ExitCode);
        Assert.Contains("beta.img", up.Message, StringComparison.Ordinal);
        nodes.Delays["beta"].Release();
        await UntilGrantedAsync(() => TwoNodes.DoAsync(nodes.Beta, ControlVerb.Up));
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        disks.AssertEqual();
    }

    /// <summary>down before disk-timeout has passed: it waits for that and no longer.</summary>
    [Fact]
    public async Task G12_down_and_the_daemons_stop_do_not_wait_for_a_call_that_hangs()
    {
        TwoNodes nodes = await TwoNodes.InSyncAsync(OneSecond);
        nodes.Delays["beta"].Hold(DeviceOperation.All);
        ControlResult down = await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Down).WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(0, down.ExitCode);
        nodes.Delays["alpha"].Hold(DeviceOperation.All);
        await nodes.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20));
        foreach (DelayDevice delay in nodes.Delays.Values)
        {
            Assert.True(delay.Waiting > 0);
            delay.Release();
        }
    }

    [Fact]
    public async Task G12_attach_does_not_wait_for_a_disk_that_does_not_answer()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(OneSecond);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        nodes.HeldFromTheOpening = DeviceOperation.Read;
        ControlResult attached = await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v").WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(16, attached.ExitCode);
        Assert.Contains("has not returned for", attached.Message, StringComparison.Ordinal);
        ControlResult again = await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v").WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(11, again.ExitCode);
        nodes.HeldFromTheOpening = DeviceOperation.None;
        nodes.Delays["alpha"].Release();
        await UntilGrantedAsync(() => TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v"));
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
    }

    /// <summary>A single call that hangs among others that do not: nobody's request waits for it longer.</summary>
    [Fact]
    public async Task G12_a_call_that_hangs_counts_also_while_others_come_back()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(OneSecond);
        nodes.Delays["alpha"].Hold(DeviceOperation.Read);
        Task<NbdError> hung = Task.Run(() =>
        {
            using var reader = new Client(nodes.AlphaVolume);
            return reader.Do(NbdCommand.Read, 0, FourKiB);
        });
        Assert.True(nodes.Delays["alpha"].AwaitWaiting(1, TimeSpan.FromSeconds(20)));
        using var client = new Client(nodes.AlphaVolume);
        while (!hung.IsCompleted)
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
        Assert.Equal(NbdError.Ok, await hung);
        nodes.Delays["alpha"].Release();
    }

    /// <summary>A fault while another client's call hangs: what hangs is not waited for either.</summary>
    [Fact]
    public async Task G11_a_disk_that_fails_while_a_call_hangs_gives_that_calls_client_back_to_the_peer()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("disk-timeout: 10m");
        nodes.Delays["alpha"].Hold(DeviceOperation.Read);
        Task<NbdError> hung = Task.Run(() =>
        {
            using var reader = new Client(nodes.AlphaVolume);
            return reader.Do(NbdCommand.Read, 0, FourKiB);
        });
        Assert.True(nodes.Delays["alpha"].AwaitWaiting(1, TimeSpan.FromSeconds(20)));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
        Assert.Equal(NbdError.Ok, await hung.WaitAsync(TimeSpan.FromSeconds(20)));
        nodes.Delays["alpha"].Release();
    }

    // The file is closed, and its lock given back, a moment after the last call has come back.
    private static async Task UntilGrantedAsync(Func<Task<ControlResult>> ask)
    {
        ControlResult result = await ask();
        for (long end = Environment.TickCount64 + 20_000; result.ExitCode == 11 && Environment.TickCount64 < end;)
            result = await ask();
        Assert.Equal(0, result.ExitCode);
    }

    private static void AssertReads(Client client, long offset, byte value)
    {
        client.Data.Clear();
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, offset, FourKiB));
        Assert.False(client.Data[..FourKiB].ContainsAnyExcept(value));
    }

    private sealed record VolumeDiskPair(TwoNodes Nodes)
    {
        public void AssertEqual()
        {
            byte[] here = new byte[48 << 20];
            byte[] there = new byte[48 << 20];
            Assert.Equal(DiskResult.Ok, Nodes.AlphaVolume.Disk!.Read(0, here));
            Assert.Equal(DiskResult.Ok, Nodes.BetaVolume.Disk!.Read(0, there));
            Assert.True(here.AsSpan().SequenceEqual(there));
        }
    }
}
