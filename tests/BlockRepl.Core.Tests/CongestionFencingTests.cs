using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>What a Primary that has pulled ahead may believe of the peer, and what the peer believes of itself (G6, G13).</summary>
public class CongestionFencingTests
{
    private static readonly VolumeNr V = ClusterHarness.Volume0;

    /// <summary>The peer is Outdated when it has heard so, not when it was sent: if the message is lost with the link, the peer may still go on.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G13_a_peer_that_has_not_heard_that_it_is_Behind_is_fenced_when_it_is_lost(bool hasHeard)
    {
        ClusterHarness cluster = FencingTests.InSync(FencingPolicy.ResourceAndStonith, CongestionTests.PullAhead);
        PullAhead(cluster);
        if (hasHeard)
            cluster.Run();
        FencingTests.Lose(cluster);
        ClientRequest late = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(hasHeard ? DiskState.Outdated : DiskState.Consistent, cluster.Beta.Status.DiskState(V));
        Assert.Equal(hasHeard, FencingTests.IsKnownOutdated(cluster.Alpha));
        Assert.Equal(hasHeard, late.IsAcknowledged);
        if (hasHeard)
            return;
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.True(late.IsAcknowledged);
    }

    /// <summary>What the peer says of itself is evidence as good as a fence: it says so when a crash can no longer take it back (G13).</summary>
    [Fact]
    public void G13_a_peer_that_is_not_durably_Outdated_yet_is_fenced_when_it_is_lost()
    {
        ClusterHarness cluster = FencingTests.InSync(FencingPolicy.ResourceAndStonith, CongestionTests.PullAhead);
        PullAhead(cluster);
        do
        {
            cluster.RunDiskExcept(cluster.Beta, EffectKind.WriteMetadata);
        }
        while (cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha));
        Assert.Equal(ReplicationState.Behind, cluster.Beta.Status.ReplicationState(V, ClusterHarness.PeerOf));
        Assert.NotEqual(DiskState.Outdated, FencingTests.StateIn(cluster.Beta.Metadata[0].Superblock));
        cluster.IsNetworkUp = false;
        cluster.Beta.Kill();
        cluster.NoticeLinkDown(cluster.Alpha);
        ClientRequest late = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.False(FencingTests.IsKnownOutdated(cluster.Alpha));
        Assert.False(late.IsAnswered);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.True(late.IsAcknowledged);
    }

    /// <summary>A request for a resync crosses with the news: it is refused, and the node is Behind all the same.</summary>
    [Fact]
    public void G6_a_node_that_asks_for_a_resync_while_the_Primary_pulls_ahead_is_Outdated_all_the_same()
    {
        ClusterHarness cluster = ClusterHarness.InSync(CongestionTests.PullAhead);
        PullAhead(cluster);
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        cluster.Run();
        Assert.Equal(ReplicationState.Ahead, cluster.Alpha.Status.ReplicationState(V, ClusterHarness.PeerOf));
        Assert.Equal(ReplicationState.Behind, cluster.Beta.Status.ReplicationState(V, ClusterHarness.PeerOf));
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(V));
        for (int i = 0; i < 6; i++)
        {
            cluster.Tick(500);
            cluster.Run();
        }

        cluster.AssertInSync();
    }

    private static void PullAhead(ClusterHarness cluster)
    {
        for (int i = 0; i < 20; i++)
        {
            cluster.Write(cluster.Alpha, i * 4L * Block.Size);
            cluster.RunDisk(cluster.Alpha);
        }

        Assert.Equal(ReplicationState.Ahead, cluster.Alpha.Status.ReplicationState(V, ClusterHarness.PeerOf));
    }
}
