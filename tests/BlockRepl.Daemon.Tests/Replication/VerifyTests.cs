using System.Diagnostics;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Verify and repair on real files, under a client's writes.</summary>
public class VerifyTests
{
    private const long Damaged = 20L << 20;

    private static VerifyStatus? Verify(ResourceStatus status) => status.Connections[0].Volumes[0].Verify;

    /// <summary>G5: bytes that changed behind the daemon's back are found, and nothing else; the repair puts them right; both while a client writes.</summary>
    [Fact]
    public async Task G5_Damage_behind_the_daemons_back_is_found_and_repaired()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        client.Data.Fill(0x55);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, Damaged, 8192));
        await DamageAsync(nodes.DiskOf("beta"), Damaged + 5000);

        VerifyStatus found = await VerifyAsync(nodes, client, new ControlOptions());
        Assert.Equal(("done", 4096L, 0L), (found.State, found.DifferentBytes, found.RepairedBytes));
        Assert.Equal([new VerifyRangeStatus(Damaged + 4096, 4096)], found.Ranges);
        Assert.Equal(4096, nodes.Alpha.GetStatus()[0].Connections[0].Volumes[0].OutOfSyncBytes);
        Assert.Equal(0, ReadByte(nodes.BetaVolume, Damaged + 5000));

        VerifyStatus repaired = await VerifyAsync(nodes, client, new ControlOptions { Repair = true });
        Assert.Equal(("done", 4096L, 4096L), (repaired.State, repaired.DifferentBytes, repaired.RepairedBytes));
        Assert.Equal("alpha is Primary, its data is what the applications have seen", repaired.Evidence);
        Assert.Equal(0x55, ReadByte(nodes.BetaVolume, Damaged + 5000));
        await nodes.AwaitAsync(nodes.Beta, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        Assert.Equal((0, 0L), (WaitCondition.Missing(WaitGoal.Sync, nodes.Alpha.GetStatus()[0], null) is null ? 0 : 1, (await VerifyAsync(nodes, client, new ControlOptions())).DifferentBytes));
    }

    // By another program: this runtime's own files take a lock that the daemon's disk has.
    private static async Task DamageAsync(string disk, long offset)
    {
        string[] arguments = ["if=/dev/zero", $"of={disk}", "bs=1", "count=1", $"seek={offset}", "conv=notrunc", "status=none"];
        using var dd = Process.Start("dd", arguments);
        await dd.WaitForExitAsync();
        Assert.Equal(0, dd.ExitCode);
    }

    private static async Task<VerifyStatus> VerifyAsync(TwoNodes nodes, Client client, ControlOptions options)
    {
        ControlResult begun = await nodes.Alpha.ExecuteAsync(new ControlCommand(ControlVerb.Verify, TwoNodes.Resource, null, options), default);
        Assert.Equal((0, begun.Message), (begun.ExitCode, begun.Message));
        for (int i = 0; Verify(nodes.Alpha.GetStatus()[0])!.EndedAt is null && i < 2_000; i++)
        {
            client.Data.Fill((byte)i);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, (i * 7919L % 4000) << 12, 4096));
        }

        await nodes.AwaitAsync(nodes.Alpha, status => Verify(status) is { EndedAt: not null });
        await nodes.AwaitAsync(nodes.Beta, status => Verify(status) is { EndedAt: not null });
        return Verify(nodes.Alpha.GetStatus()[0])!;
    }

    private static byte ReadByte(RuntimeVolume volume, long offset)
    {
        var one = new byte[1];
        Assert.True(volume.Disk!.Read(offset, one).IsOk);
        return one[0];
    }
}
