using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Resync scenarios known to have broken replicated disks (research section 3.1), by their names in DRBD's test suite (G6, G7, G9, I4, I5, I10, I12).</summary>
public class ResyncScenarioTests
{
    private static ReplicationState StateOf(SimulatedNode node) => node.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf);

    private static ResyncProgress? ProgressOf(SimulatedNode node) => node.Status.Resync(ClusterHarness.Volume0, ClusterHarness.PeerOf);

    private static int PiecesSent(SimulatedNode node, int since) => node.Effects.Skip(since).Count(e => e == EffectKind.SendResyncData);

    /// <summary>brief-resync-oos: what is shown of a resync is never negative and never more than there is, on either side, and ends at nothing.</summary>
    [Fact]
    public void Progress_is_honest_at_every_step_on_both_sides()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(40, s => s with { ResyncWindowBytes = 128 << 10 });
        cluster.IsNetworkUp = true;
        long left = long.MaxValue;
        int shown = 0;
        for (int i = 0; cluster.StepOnce(); i++)
        {
            if (i % 5 == 0 && i < 500)
                cluster.Tick(400);
            foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            {
                if (ProgressOf(node) is not { } progress)
                    continue;
                shown++;
                Assert.InRange(progress.LeftBytes, 0, progress.TotalBytes);
                Assert.True(progress.BytesPerSecond >= 0);
            }

            if (ProgressOf(cluster.Alpha) is { } atSource)
            {
                Assert.True(atSource.LeftBytes <= left);
                left = atSource.LeftBytes;
            }
        }

        Assert.True(shown > 50);
        Assert.Null(ProgressOf(cluster.Alpha));
        Assert.Null(ProgressOf(cluster.Beta));
        cluster.AssertInSync();
    }

    /// <summary>The rate is that of the last seconds, and nothing while nothing moves.</summary>
    [Fact]
    public void The_rate_is_measured_over_a_sliding_window()
    {
        var rate = new ResyncRate();
        Assert.Equal(0, rate.BytesPerSecond);
        for (int s = 0; s <= 5; s++)
            Assert.True(rate.Note(s * 1000, 1_000_000 - (s * 10_000)));
        Assert.False(rate.Note(5_200, 0));
        Assert.Equal(10_000, rate.BytesPerSecond);
        for (int s = 6; s <= 30; s++)
            rate.Note(s * 1000, 950_000);
        Assert.Equal(0, rate.BytesPerSecond);
        rate.Note(31_000, 960_000);
        Assert.Equal(0, rate.BytesPerSecond);
    }

    /// <summary>resync-missed-end-no-bits: only the end of a resync was lost; the next connection finds it out without a single block.</summary>
    [Fact]
    public void The_lost_end_of_a_resync_is_made_good_without_sending_anything()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(6);
        cluster.IsNetworkUp = true;
        while (StateOf(cluster.Alpha) != ReplicationState.SyncSource || !cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone)
            Assert.True(cluster.StepOnce());
        int before = cluster.Alpha.Effects.Count;
        cluster.Cut();
        Assert.Equal(DiskState.Inconsistent, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(0, PiecesSent(cluster.Alpha, before));
    }

    /// <summary>resync-target-promote-interrupt: a target is not promoted while it is one, nor after an interruption, and is afterwards.</summary>
    [Fact]
    public void G6_a_target_is_promotable_only_when_its_resync_is_over()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(30, s => s with { ResyncWindowBytes = 64 << 10 });
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.IsNetworkUp = true;
        while (StateOf(cluster.Beta) != ReplicationState.SyncTarget)
            Assert.True(cluster.StepOnce());
        CommandTicket during = cluster.Command(cluster.Beta, OperatorVerb.Primary);
        Assert.Equal(17, during.ExitCode);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.AssertInSync();
    }

    /// <summary>resync-source-becomes-target: the source dies in the middle, the half-copied target is forced into service; the two are a split brain, and the former source becomes the target by word only.</summary>
    [Fact]
    public void G7_a_source_becomes_the_target_only_when_an_operator_says_so()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(30, s => s with { ResyncWindowBytes = 64 << 10 });
        cluster.IsNetworkUp = true;
        while (cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf) > 15 || StateOf(cluster.Alpha) != ReplicationState.SyncSource)
            Assert.True(cluster.StepOnce());
        cluster.Alpha.Kill();
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true).ExitCode);
        ClientRequest write = cluster.Write(cluster.Beta, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect, discardMyData: true);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }

    /// <summary>resync-based-on-disk-states: an Inconsistent side is the target whatever the generations say, and never a source (I12).</summary>
    [Fact]
    public void I12_an_inconsistent_node_is_a_target_even_as_the_side_with_marks()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        SparseImage wanted = cluster.Beta.Disks[0].Cache.Clone();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Disconnect);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Invalidate).ExitCode);
        Assert.True(cluster.Alpha.Metadata[0].MarkedBlocks > 0);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        Assert.Empty(wanted.Differences(cluster.Alpha.Disks[0].Cache));
        Assert.Contains(cluster.Beta.Log, line => line.Contains("SourceFull", StringComparison.Ordinal));
    }

    /// <summary>The target tells of every piece it has written, and of no more: what is on the way is known at all times.</summary>
    [Fact]
    public void An_acknowledgement_of_pieces_that_were_not_sent_ends_the_connection()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(4);
        cluster.IsNetworkUp = true;
        while (StateOf(cluster.Alpha) != ReplicationState.SyncSource)
            Assert.True(cluster.StepOnce());
        LinkId link = cluster.Link!.Id;
        cluster.Alpha.Apply(new CoreEvent
        {
            Kind = CoreEventKind.PeerMessage,
            Link = link,
            Subject = new Protocol.ResyncAckMessage(ClusterHarness.Volume0, 1_000),
        });
        Assert.NotEqual(ConnectionState.Connected, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        cluster.Run();
        cluster.AssertInSync();
    }
}
