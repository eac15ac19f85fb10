using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>A Primary that must fence its lost peer gives the role up instead: nobody may be told of what the peer does not have (G13).</summary>
public class FencedDemotionTests
{
    [Fact]
    public void G13_a_change_that_waits_for_its_extent_when_an_unfenced_Primary_is_demoted_is_not_answered_as_done()
    {
        ClusterHarness cluster = Stonith();
        ClientRequest change = cluster.Write(cluster.Alpha, 0);
        AssertDemotedWithout(cluster, change);
    }

    [Fact]
    public void G13_a_change_that_waits_for_another_when_an_unfenced_Primary_is_demoted_is_not_answered_as_done()
    {
        ClusterHarness cluster = Stonith();
        cluster.Write(cluster.Alpha, 0);
        cluster.RunDiskUntil(cluster.Alpha, EffectKind.LocalChange);
        ClientRequest change = cluster.Write(cluster.Alpha, 0);
        AssertDemotedWithout(cluster, change);
    }

    [Fact]
    public void G13_after_such_a_demotion_a_Primary_answers_as_ever()
    {
        ClusterHarness cluster = Stonith();
        AssertDemotedWithout(cluster, cluster.Write(cluster.Alpha, 0));
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 1);
        FencingTests.Reconnect(cluster);
        Assert.True(cluster.IsConnected);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        FencingTests.Lose(cluster);
        cluster.Run();
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 7);
        ClientRequest change = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(change.IsAcknowledged);
    }

    private static ClusterHarness Stonith() => ClusterHarness.InSync(s => s with
    {
        Fencing = FencingPolicy.ResourceAndStonith,
        Handlers = new HandlerSet().With(HandlerKind.FencePeer).With(HandlerKind.UnfencePeer),
    });

    private static void AssertDemotedWithout(ClusterHarness cluster, ClientRequest change)
    {
        FencingTests.Lose(cluster);
        Assert.False(change.IsAnswered);
        CommandTicket demotion = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        Assert.Equal(0, demotion.ExitCode);
        Assert.Equal(Role.Secondary, cluster.Alpha.Core.Role);
        Assert.True(change.IsAnswered);
        Assert.False(change.IsAcknowledged, "the peer is not fenced and has not got it");
    }
}
