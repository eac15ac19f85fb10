using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>disk-timeout: a disk that hangs is given up, and its late completions touch nothing (hard part 17, G11, G12).</summary>
public class DiskTimeoutTests
{
    [Theory]
    [InlineData(EffectKind.LocalChange)]
    [InlineData(EffectKind.LocalFlush)]
    [InlineData(EffectKind.WriteMetadata)]
    public void G11_a_Primarys_disk_that_hangs_is_given_up_and_its_peer_serves(EffectKind hanging)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { DiskTimeoutMs = 3_000 });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, hanging == EffectKind.WriteMetadata ? 8 << 20 : 0);
        ClientRequest held = cluster.Write(cluster.Alpha, 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        RunExcept(cluster, hanging);
        cluster.Tick(2_000);
        RunExcept(cluster, hanging);
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        cluster.Tick(2_000);
        RunExcept(cluster, hanging);
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        foreach (ClientRequest request in new[] { write, held, flush })
            Assert.True(request.IsAcknowledged);

        // It is Failed, not Diskless, until the last call has come back.
        cluster.Alpha.CloseDisk();
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        List<ClientRequest> later = [];
        for (int i = 0; i < 20; i++)
            later.Add(cluster.Write(cluster.Alpha, i * 4096));
        RunExcept(cluster, hanging);
        Assert.All(later, request => Assert.True(request.IsAcknowledged));

        // Late, and with success: nothing is answered twice, no buffer is used twice, no generation or log is believed.
        foreach (PendingOperation late in cluster.Alpha.Pending.ToList())
            cluster.Complete(cluster.Alpha, late, DiskResult.Ok);
        cluster.Run();
        Assert.Equal(DiskState.Diskless, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        cluster.AssertNothingLeaked();
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(later[^1]);
    }

    [Fact]
    public void G12_a_Secondarys_disk_that_hangs_does_not_hold_up_the_Primary_nor_a_new_connection()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { DiskTimeoutMs = 3_000 });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        RunBeta(cluster);
        cluster.Tick(2_000);
        RunBeta(cluster);
        cluster.Tick(2_000);
        RunBeta(cluster);
        Assert.True(write.IsAcknowledged);
        Assert.Equal(DiskState.Failed, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        cluster.Cut();
        RunBeta(cluster);
        Assert.True(cluster.IsConnected);
        ClientRequest next = cluster.Write(cluster.Alpha, 4096);
        RunBeta(cluster);
        Assert.True(next.IsAcknowledged);
        cluster.Run();
        cluster.Beta.CloseDisk();
        cluster.Beta.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void A_process_that_stood_still_does_not_take_its_disk_for_one_that_hangs()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { DiskTimeoutMs = 3_000 });
        cluster.Tick(1_000);
        cluster.Write(cluster.Alpha, 0);
        RunExcept(cluster, EffectKind.LocalChange);
        cluster.Tick(60_000);
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        RunExcept(cluster, EffectKind.LocalChange);
        cluster.Tick(2_000);
        cluster.Tick(2_000);
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
    }

    [Fact]
    public void A_disk_with_nothing_to_do_does_not_hang()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { DiskTimeoutMs = 3_000 });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        for (int i = 0; i < 10; i++)
        {
            cluster.Tick(1_000);
            cluster.Run();
        }

        cluster.AssertInSync();
    }

    private static void RunExcept(ClusterHarness cluster, EffectKind hanging)
    {
        do
        {
            cluster.RunDiskExcept(cluster.Alpha, hanging);
        }
        while (cluster.CompleteOne(cluster.Beta) || cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha));
    }

    private static void RunBeta(ClusterHarness cluster)
    {
        do
        {
            cluster.RunDiskExcept(cluster.Beta, EffectKind.LocalChange);
        }
        while (cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha) || cluster.TryEstablish());
    }
}
