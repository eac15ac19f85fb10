using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>The runtime on real files and streams: what Core decided is what happens.</summary>
public class ReplicationTests
{
    private const int FourKiB = 4096;

    /// <summary>G2: with protocol C an acknowledged write is on the peer's disk.</summary>
    [Fact]
    public async Task An_acknowledged_write_is_on_both_disks()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        for (int i = 0; i < 50; i++)
        {
            client.Data.Fill((byte)(i + 1));
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, i * 16384L, FourKiB));
            Assert.Equal((byte)(i + 1), ReadByte(nodes.BetaVolume, i * 16384L));
            Assert.Equal((byte)(i + 1), ReadByte(nodes.AlphaVolume, i * 16384L));
        }

        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
    }

    /// <summary>G5, hard part 13: a trim leaves zeroes on both nodes.</summary>
    [Fact]
    public async Task A_trim_reads_as_zeroes_on_both_nodes()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        client.Data.Fill(7);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, 64 << 10));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Trim, 100, 40_000));
        foreach (RuntimeVolume volume in new[] { nodes.AlphaVolume, nodes.BetaVolume })
        {
            Assert.Equal(7, ReadByte(volume, 99));
            Assert.Equal(0, ReadByte(volume, 100));
            Assert.Equal(0, ReadByte(volume, 40_099));
            Assert.Equal(7, ReadByte(volume, 40_100));
        }
    }

    /// <summary>A request that touches more extents than a change may have is split and answered once.</summary>
    [Fact]
    public async Task A_request_over_the_whole_volume_is_done_with_the_smallest_activity_log()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("al-extents: 67");
        using var client = new Client(nodes.AlphaVolume);
        int all = (int)nodes.Alpha.GetStatus()[0].Volumes[0].SizeBytes;
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.WriteZeroes, 0, all));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
    }

    /// <summary>show-gi and get-gi answer from what the daemon knows, with what the handshake decided.</summary>
    [Fact]
    public async Task Generations_are_told_by_the_daemon()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        ControlResult shown = await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.ShowGi);
        Assert.Equal(0, shown.ExitCode);
        Assert.Contains("Connected for ", shown.Message, StringComparison.Ordinal);
        Assert.Contains("the handshake decided ", shown.Message, StringComparison.Ordinal);
        Assert.Contains("beta changed nothing: nothing is copied", shown.Message, StringComparison.Ordinal);
        string alpha = (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.GetGi)).Message!;
        string beta = (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.GetGi)).Message!;
        Assert.Equal(alpha.Split(' ', ':')[1], beta.Split(' ', ':')[1]);
        Assert.Equal(2u, nodes.Alpha.GetStatus()[0].Connections[0].ProtocolVersion);
        await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Down);
        Assert.Equal(ExitCodes.NoLocalDisk, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.GetGi)).ExitCode);
    }

    /// <summary>G6: a handover and back, each with every write in place.</summary>
    [Fact]
    public async Task Roles_change_places_and_data_stay()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using (var client = new Client(nodes.AlphaVolume))
        {
            client.Data.Fill(11);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, FourKiB, FourKiB));
        }

        Assert.Equal(11, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Primary)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Primary)).ExitCode);
        using (var client = new Client(nodes.BetaVolume))
        {
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, FourKiB, FourKiB));
            Assert.Equal(11, client.Data[0]);
            client.Data.Fill(12);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, FourKiB, FourKiB, NbdCommandFlags.ForceUnitAccess));
        }

        Assert.Equal(12, ReadByte(nodes.AlphaVolume, FourKiB));
    }

    /// <summary>Nothing is allocated a request on the Primary's own threads, from the export to the reply.</summary>
    [Fact]
    public async Task A_replicated_write_allocates_nothing_on_the_clients_thread()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        long allocated = 0;
        for (int round = 0; round < 5; round++)
        {
            // Keeps the record of what is unstable, which grows by doubling, at its size.
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 500; i++)
            {
                if (client.Do(NbdCommand.Write, i * 4096L, FourKiB) != NbdError.Ok)
                    Assert.Fail("a write failed");
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);
    }

    /// <summary>Hard part 6: an orderly stop leaves nothing to resync.</summary>
    [Fact]
    public async Task After_an_orderly_stop_nothing_is_resynced()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using (var client = new Client(nodes.AlphaVolume))
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, FourKiB));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Down)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Down)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Up)).ExitCode);
        Assert.Equal(0, nodes.Alpha.GetStatus()[0].Connections[0].Volumes[0].OutOfSyncBytes);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Up)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        Assert.Equal(Role.Secondary, nodes.Alpha.GetStatus()[0].Role);
    }

    private static byte ReadByte(RuntimeVolume volume, long offset)
    {
        Span<byte> one = stackalloc byte[1];
        Assert.Equal(DiskResult.Ok, volume.Disk!.Read(offset, one));
        return one[0];
    }
}
