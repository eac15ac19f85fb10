using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Orderly ends leave nothing to resync (hard part 6).</summary>
public class ShutdownTests
{
    [Fact]
    public void An_orderly_down_of_both_nodes_leaves_no_log_no_mark_and_no_resync()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        for (int i = 0; i < 3; i++)
            cluster.Write(cluster.Alpha, i << ActivityLog.ExtentShift);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Down).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Down).ExitCode);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.True(node.Metadata[0].Superblock.Flags.HasFlag(SuperblockFlags.CleanShutdown));
            Assert.Empty(node.Metadata[0].ActiveExtents);
            Assert.Equal(0, node.Metadata[0].MarkedBlocks);
            node.PowerCut();
        }

        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        Assert.DoesNotContain(EffectKind.SendResyncData, cluster.Alpha.Effects.Concat(cluster.Beta.Effects));
    }

    [Fact]
    public void Down_of_a_Primary_is_refused_with_11() =>
        Assert.Equal(11, ClusterHarness.InSync() is var cluster ? cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Down).ExitCode : 0);

    /// <summary>A Secondary that says farewell calls stable only what its flush covers; what was applied meanwhile is marked by the Primary.</summary>
    [Fact]
    public void A_write_applied_while_the_Secondary_flushes_for_its_down_is_not_called_stable()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        CommandTicket down = cluster.Command(cluster.Beta, OperatorVerb.Down);
        PendingOperation flush = Assert.Single(cluster.Beta.Pending);
        ClientRequest late = cluster.Write(cluster.Alpha, 8192);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.Complete(cluster.Beta, EffectKind.LocalChange);
        cluster.Complete(cluster.Beta, flush);
        cluster.Run();
        Assert.Equal(0, down.ExitCode);
        Assert.True(late.IsAcknowledged);
        cluster.Beta.PowerCut();
        Assert.NotEqual(late.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[2]));
        Assert.True(cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf) > 0);
        cluster.Beta.Start();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(late);
    }

    [Fact]
    public void A_disconnected_Primary_leaves_no_marks_behind_also_if_a_barrier_was_under_way_already()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Tick(6_000);
        ClientRequest young = cluster.Write(cluster.Alpha, 8192);
        CommandTicket disconnect = cluster.Command(cluster.Alpha, OperatorVerb.Disconnect);
        cluster.Run();
        Assert.Equal(0, disconnect.ExitCode);
        Assert.True(young.IsAcknowledged);
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Equal(0, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }

    [Fact]
    public void A_peer_that_does_not_answer_delays_a_disconnect_for_no_longer_than_its_patience()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        CommandTicket disconnect = cluster.Command(cluster.Alpha, OperatorVerb.Disconnect);
        cluster.RunDisk(cluster.Alpha);
        Assert.Null(disconnect.Result);
        cluster.Tick(3_000);
        cluster.RunDisk(cluster.Alpha);
        Assert.Equal(0, disconnect.ExitCode);
        Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }
}
