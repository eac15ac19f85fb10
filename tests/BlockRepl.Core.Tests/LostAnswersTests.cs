using BlockRepl.Primitives;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.FencingTests;

namespace BlockRepl.Core.Tests;

/// <summary>A node whose host lost power may lack what it had answered or confirmed, and its peer has it (G2, docs/decisions/0062).</summary>
public class LostAnswersTests
{
    private static readonly VolumeNr V = ClusterHarness.Volume0;

    [Theory]
    [InlineData(4, 17)]
    [InlineData(3, 0)]
    [InlineData(7, 0)]
    public void G2_an_Outdated_peer_that_has_what_this_host_lost_is_no_evidence_for_this_node(int fenceCode, int exitCode)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        ClientRequest answered = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(answered.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Alpha.PowerCut();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate).ExitCode);
        cluster.Alpha.Start();
        cluster.Run();

        CommandTicket promotion = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, fenceCode);
        cluster.Run();
        Assert.Equal(exitCode, promotion.ExitCode);
        if (exitCode == 0)
            return;
        Assert.Contains("lost", promotion.Result!.Message, StringComparison.Ordinal);
        Assert.Equal(DiskState.Consistent, cluster.Alpha.Status.DiskState(V));
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(answered);
        cluster.Beta.AssertHolds(answered);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
    }

    /// <summary>It speaks of the worst of the peer's volumes: another may have what was lost here.</summary>
    [Fact]
    public void G2_that_some_volume_of_the_peer_is_Inconsistent_is_no_evidence_for_the_others()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly, static settings => settings with { Volumes = ["mail", "postgres"] });
        ClientRequest answered = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(answered.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Alpha.PowerCut();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Run();

        CommandTicket promotion = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 3);
        cluster.Run();
        Assert.Equal(17, promotion.ExitCode);
        Assert.Contains("(exit code 3)", promotion.Result!.Message, StringComparison.Ordinal);
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(answered);
        cluster.Beta.AssertHolds(answered);
    }

    [Fact]
    public void G2_nor_are_the_words_of_a_peer_that_left_in_good_order_with_all_that_was_answered()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        ClientRequest answered = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = false;
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Disconnect).ExitCode);
        Assert.True(IsKnownOutdated(cluster.Alpha));
        cluster.Alpha.PowerCut();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(DiskState.Consistent, cluster.Alpha.Status.DiskState(V));

        // Nor does a handler's word that it is Outdated say more.
        CommandTicket promotion = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.Equal(17, promotion.ExitCode);
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(answered);
        cluster.Beta.AssertHolds(answered);
    }

    [Theory]
    [InlineData(4, 17)]
    [InlineData(7, 0)]
    public void G2_a_Secondary_whose_host_lost_what_it_had_confirmed_is_not_promoted_because_its_Primary_is_Outdated(int fenceCode, int exitCode)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        ClientRequest answered = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(answered.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Beta.PowerCut();
        cluster.Alpha.Kill();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Outdate).ExitCode);

        CommandTicket promotion = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        cluster.CompleteHandler(cluster.Beta, HandlerKind.FencePeer, fenceCode);
        cluster.Run();
        Assert.Equal(exitCode, promotion.ExitCode);
        if (exitCode == 0)
            return;
        Assert.Contains("lost", promotion.Result!.Message, StringComparison.Ordinal);
        Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(V));
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(answered);
        cluster.Beta.AssertHolds(answered);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    [Fact]
    public void A_Primary_that_went_on_alone_is_the_better_copy_though_its_host_lost_power()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        cluster.IsNetworkUp = false;
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Disconnect).ExitCode);
        ClientRequest alone = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Flush(cluster.Alpha);
        cluster.Run();
        cluster.Alpha.PowerCut();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(V));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Alpha.AssertHolds(alone);
    }

    [Fact]
    public void A_Primary_whose_process_died_has_all_that_it_answered()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        ClientRequest answered = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = false;
        cluster.Alpha.Kill();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Run();
        CommandTicket promotion = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.Equal(0, promotion.ExitCode);
        cluster.Alpha.AssertHolds(answered);
    }

    /// <summary>What its host lost in an earlier reign is in no copy any more when the target has taken all from it: its new reign counts.</summary>
    [Fact]
    public void G2_a_source_whose_target_is_as_good_as_done_has_lost_nothing_that_counts()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith, static settings => settings with { Protocol = WriteProtocol.A });
        Lose(cluster);
        cluster.Run();
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.PowerCut();
        cluster.Run();
        cluster.Alpha.Start();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.PauseSync).ExitCode);
        Reconnect(cluster);
        Assert.Equal(ReplicationState.PausedSyncS, cluster.Alpha.Status.ReplicationState(V, ClusterHarness.PeerOf));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);

        // The source's end is durable, and the target's, of which the source does not hear.
        cluster.Command(cluster.Alpha, OperatorVerb.ResumeSync);
        while (!cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone)
            Assert.True(cluster.StepOnce());
        cluster.DeliverAll(cluster.Beta);
        cluster.RunDisk(cluster.Beta);
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(V));
        ClientRequest answered = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(answered.IsAcknowledged);
        CommandTicket demotion = cluster.Command(cluster.Alpha, OperatorVerb.Secondary);
        cluster.RunDisk(cluster.Alpha);
        Lose(cluster);
        cluster.Run();
        Assert.Equal(0, demotion.ExitCode);
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(answered);
        cluster.Beta.AssertHolds(answered);
    }

    [Fact]
    public void The_source_of_a_resync_is_the_better_copy_of_the_two()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        cluster.Run();
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        while (cluster.Beta.Status.DiskState(V) != DiskState.Inconsistent)
            Assert.True(cluster.StepOnce(), "the resync never began");
        cluster.IsNetworkUp = false;
        cluster.Alpha.PowerCut();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Run();
        CommandTicket promotion = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        if (promotion.Result is null)
        {
            cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 3);
            cluster.Run();
        }

        Assert.Equal(0, promotion.ExitCode);
    }

    /// <summary>It was demoted before the fence of its peer had an answer, so that it had not gone on alone by its generation; what it had answered early was its alone all the same.</summary>
    [Fact]
    public void G1_what_a_demoted_node_had_answered_early_counts_after_a_promotion_and_a_loss_of_power()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith, static settings => settings with { Protocol = WriteProtocol.A });
        cluster.IsNetworkUp = false;
        cluster.CutSilently();
        ClientRequest answered = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(answered.IsAcknowledged);
        CommandTicket demotion = cluster.Command(cluster.Alpha, OperatorVerb.Secondary);
        cluster.NoticeLinkDown(cluster.Alpha);
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Run();
        Assert.Equal(0, demotion.ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate).ExitCode);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();

        cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        cluster.Run();
        Assert.Equal(Role.Primary, cluster.Alpha.Status.Role);
        cluster.Alpha.PowerCut();
        cluster.Run();
        cluster.Alpha.Start();
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(answered);
        cluster.Beta.AssertHolds(answered);
    }
}
