using BlockRepl.Primitives;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.FencingTests;

namespace BlockRepl.Core.Tests;

/// <summary>The verb outdate (G6): what a Primary's fence handler says on the peer.</summary>
public class OutdateTests
{
    private static readonly VolumeNr V = ClusterHarness.Volume0;

    [Fact]
    public void It_is_refused_with_11_on_a_Primary_and_beside_one()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Assert.Equal(11, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Outdate).ExitCode);
        CommandTicket beside = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate);
        Assert.Equal(11, beside.ExitCode);
        Assert.Contains("alpha, which is Primary", beside.Result!.Message, StringComparison.Ordinal);
        cluster.AssertInSync();
    }

    [Fact]
    public void It_is_durable_before_it_is_answered_and_outlives_the_process()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        cluster.Run();
        CommandTicket ticket = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
        Assert.Null(ticket.Result);
        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
        Assert.Equal(DiskState.Outdated, StateIn(cluster.Beta.Metadata[0].Superblock));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate).ExitCode);
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(V));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        Reconnect(cluster);
        cluster.AssertInSync();
    }

    /// <summary>G6, G13: a fence handler that asks twice must not hear "done" while the first answer is still on its way to the disk.</summary>
    [Fact]
    public void Said_twice_it_is_answered_only_when_it_is_durable()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        cluster.Run();
        CommandTicket first = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
        CommandTicket second = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
        Assert.Null(first.Result);
        Assert.Null(second.Result);
        cluster.Run();
        Assert.Equal(0, first.ExitCode);
        Assert.Equal(0, second.ExitCode);
        Assert.Equal(DiskState.Outdated, StateIn(cluster.Beta.Metadata[0].Superblock));
    }

    /// <summary>The same where both have waited for a handshake.</summary>
    [Fact]
    public void G6_said_twice_during_a_handshake_it_is_answered_only_when_it_is_durable()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.TryEstablish();
        Assert.True(cluster.Deliver(cluster.Beta));
        CommandTicket first = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
        CommandTicket second = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
        Lose(cluster);
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(V));
        Assert.Null(first.Result);
        Assert.Null(second.Result);
        cluster.Run();
        Assert.Equal(0, first.ExitCode);
        Assert.Equal(0, second.ExitCode);
        Assert.Equal(DiskState.Outdated, StateIn(cluster.Beta.Metadata[0].Superblock));
    }

    /// <summary>G6, G9: a target that has not durably given up its own data yet does not say that it cannot be promoted.</summary>
    [Fact]
    public void The_target_of_a_resync_answers_only_when_it_is_durably_Inconsistent()
    {
        ClusterHarness cluster = InSync(FencingPolicy.DontCare);
        cluster.Cut();
        cluster.IsNetworkUp = false;
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.IsNetworkUp = true;
        while (cluster.Beta.Status.DiskState(V) != DiskState.Inconsistent)
            Assert.True(cluster.StepOnce(), "no resync begins");
        Assert.NotEqual(DiskState.Inconsistent, StateIn(cluster.Beta.Metadata[0].Superblock));
        CommandTicket ticket = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
        Assert.Null(ticket.Result);
        while (ticket.Result is null)
            Assert.True(cluster.CompleteOne(cluster.Beta), "it is not answered");
        Assert.Equal(17, ticket.ExitCode);
        Assert.Equal(DiskState.Inconsistent, StateIn(cluster.Beta.Metadata[0].Superblock));
    }

    /// <summary>
    /// G6, G13: at any step of a promotion. Whoever fences hears that this node is Outdated, and then it is not Primary; or that it is Primary, and then it is not Outdated.
    /// </summary>
    [Fact]
    public void Said_during_a_promotion_one_of_the_two_is_refused()
    {
        bool isEverPromoted = false;
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
            CommandTicket promotion = cluster.Command(cluster.Beta, OperatorVerb.Primary);
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            CommandTicket outdate = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate);
            Assert.NotEqual(promotion.ExitCode == 0, outdate.ExitCode == 0);
            Assert.Equal(promotion.ExitCode == 0, cluster.Beta.Core.Role == Role.Primary);
            Assert.Equal(outdate.ExitCode == 0 ? DiskState.Outdated : DiskState.UpToDate, StateIn(cluster.Beta.Metadata[0].Superblock));
            isEverPromoted |= promotion.ExitCode == 0;
        }

        Assert.True(isEverPromoted);
    }

    /// <summary>outdate-early: at any step of a connection that is being made it is either refused, or undone by the connection itself.</summary>
    [Fact]
    public void Said_while_the_connection_is_being_made_it_is_refused_or_undone_by_it()
    {
        int answered = 0;
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
            Lose(cluster);
            cluster.Run();
            ClientRequest held = cluster.Write(cluster.Alpha, 0);
            cluster.IsNetworkUp = true;
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            CommandTicket ticket = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
            cluster.Run();
            Assert.Contains(ticket.ExitCode, new[] { 0, 11, 17 });
            answered += ticket.ExitCode == 0 ? 1 : 0;
            Assert.True(held.IsAcknowledged);
            cluster.AssertInSync();
        }

        Assert.NotEqual(0, answered);
    }

    /// <summary>G6: whoever fences takes the answer for evidence that he may go on from what he has; of what this node has and he lacks it would be none. Also after a restart.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void G6_what_the_peer_lacks_is_never_outdated(bool isServed)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        SimulatedNode newer = isServed ? cluster.Beta : cluster.Alpha;
        if (isServed)
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach).ExitCode);
        else
            Lose(cluster);
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        if (isServed)
            Lose(cluster);
        cluster.Run();
        if (!isServed)
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        DiskState before = newer.Status.DiskState(V);
        for (int life = 0; life < 2; life++)
        {
            CommandTicket ticket = cluster.CommandAndRun(newer, OperatorVerb.Outdate);
            Assert.Equal(11, ticket.ExitCode);
            Assert.Contains("has gone on here without", ticket.Result!.Message, StringComparison.Ordinal);
            Assert.NotEqual(DiskState.Outdated, StateIn(newer.Metadata[0].Superblock));
            newer.Kill();
            newer.Start();
            cluster.Run();
        }

        Assert.NotEqual(DiskState.Outdated, before);
    }

    [Fact]
    public void Worse_than_Outdated_is_answered_with_17_and_no_disk_with_16()
    {
        var cluster = new ClusterHarness();
        cluster.StartBoth();
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate).ExitCode);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Down);
        Assert.Equal(16, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate).ExitCode);
    }

    [Fact]
    public void Metadata_that_cannot_be_written_is_answered_with_1()
    {
        ClusterHarness cluster = InSync(FencingPolicy.DontCare);
        Lose(cluster);
        cluster.Run();
        CommandTicket ticket = cluster.Command(cluster.Beta, OperatorVerb.Outdate);
        cluster.Complete(cluster.Beta, EffectKind.WriteMetadata, DiskResult.Io);
        cluster.Run();
        Assert.Equal(1, ticket.ExitCode);
    }

    /// <summary>DRBD's conn_try_disconnect: a Primary that leaves on an operator's word has its peer outdated first, durably, and needs no fence.</summary>
    [Theory]
    [InlineData(FencingPolicy.ResourceOnly)]
    [InlineData(FencingPolicy.ResourceAndStonith)]
    public void G13_a_Primary_that_disconnects_leaves_its_peer_Outdated_and_fences_nobody(FencingPolicy policy)
    {
        ClusterHarness cluster = InSync(policy);
        List<ClientRequest> before = [];
        for (int i = 0; i < 5; i++)
            before.Add(cluster.Write(cluster.Alpha, i * 4096));
        CommandTicket ticket = cluster.Command(cluster.Alpha, OperatorVerb.Disconnect);
        ClientRequest during = cluster.Write(cluster.Alpha, 0);
        while (ticket.Result is null)
        {
            Assert.True(cluster.StepOnce(), "the command is not answered");
            Assert.True(!during.IsAnswered || StateIn(cluster.Beta.Metadata[0].Superblock) == DiskState.Outdated, "answered before the peer is known not to go on");
        }

        Assert.Equal(0, ticket.ExitCode);
        cluster.Run();
        Assert.All(before, request => Assert.True(request.IsAcknowledged));
        Assert.True(during.IsAcknowledged);
        Assert.True(IsKnownOutdated(cluster.Alpha));
        Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(V));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(during);
    }

    /// <summary>The peer does not answer: the Primary waits for some seconds, and fences it as one that is lost. Nobody's requests are forgotten.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G13_a_Primary_that_disconnects_from_a_peer_that_does_not_answer_fences_it(bool isFrozen)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        CommandTicket ticket = cluster.Command(cluster.Alpha, OperatorVerb.Disconnect);
        if (isFrozen)
            cluster.Beta.IsFrozen = true;
        else
            cluster.CutSilently();
        ClientRequest during = cluster.Write(cluster.Alpha, 0);
        for (int i = 0; i < 10 && ticket.Result is null; i++)
        {
            cluster.Run();
            cluster.Tick();
        }

        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
        Assert.False(during.IsAnswered);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.True(during.IsAcknowledged);
    }

    /// <summary>
    /// G6: a node that went on without its peer, and came back, is not the older of the two. It must not say so to whoever fences it in the peer's name: the peer would be promoted without what was acknowledged here.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G6_a_node_that_went_on_alone_does_not_call_its_data_the_older(bool isOutdatedBefore)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        if (isOutdatedBefore)
            cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 6);
        else
            cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 5);
        ClientRequest alone = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(alone.IsAcknowledged);
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(isOutdatedBefore ? DiskState.Outdated : DiskState.UpToDate, cluster.Alpha.Status.DiskState(V));

        CommandTicket promotion = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        CommandTicket outdate = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Outdate);
        Assert.Equal(11, outdate.ExitCode);
        Assert.Contains("gone on here without beta", outdate.Result!.Message, StringComparison.Ordinal);
        cluster.CompleteHandler(cluster.Beta, HandlerKind.FencePeer, 1);
        cluster.Run();
        Assert.Equal(17, promotion.ExitCode);
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(alone);
    }

    /// <summary>G6, G11: the same for a node that served a Primary whose own disk was lost, after both have died: that disk may come back.</summary>
    [Fact]
    public void G6_a_node_that_served_a_Primary_does_not_call_its_data_older_than_the_lost_disk()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served(s => s with { Fencing = FencingPolicy.ResourceAndStonith, Handlers = FencingTests.Handlers });
        ClientRequest served = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.True(served.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Alpha.Kill();
        cluster.Beta.Kill();
        cluster.Alpha.Start();
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(DiskState.Consistent, cluster.Alpha.Status.DiskState(V));
        Assert.Equal(11, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate).ExitCode);
        Assert.NotEqual(DiskState.Outdated, StateIn(cluster.Beta.Metadata[0].Superblock));
        Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(served);
    }

    /// <summary>G6, G11: the node that serves leaves in good order. It does not outdate what nobody else has, and serves again when it is back.</summary>
    [Fact]
    public void G11_a_node_that_serves_a_Primary_and_leaves_in_good_order_does_not_outdate_the_only_copy()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served(s => s with { Fencing = FencingPolicy.ResourceAndStonith, Handlers = FencingTests.Handlers });
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Disconnect).ExitCode);
        Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(V));
        Assert.NotEqual(DiskState.Outdated, StateIn(cluster.Beta.Metadata[0].Superblock));
        ClientRequest write = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.False(write.IsAcknowledged);
        Reconnect(cluster);
        Assert.Equal("beta", cluster.Alpha.Status.ServedBy(V));
        ClientRequest next = cluster.Write(cluster.Alpha, 8192);
        cluster.Run();
        Assert.True(next.IsAcknowledged);
        cluster.Beta.AssertHolds(next);
    }

    /// <summary>A resync between nodes of one generation that its target never began: its source has gone nowhere, and may be outdated for the target to be promoted.</summary>
    [Fact]
    public void The_source_of_a_resync_that_never_began_may_be_outdated()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        while (cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone)
            Assert.True(cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Alpha) || cluster.Deliver(cluster.Beta), "no resync is named");
        Lose(cluster);
        cluster.Run();
        Assert.NotEqual(DiskState.Inconsistent, cluster.Beta.Status.DiskState(V));
        Assert.False(cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Outdate).ExitCode);
    }

    /// <summary>G11: a fence handler that was called for an earlier loss comes late, when both are in sync again. Outdated now, this node would stay so for as long as the connection lasts (DRBD: SS_CONNECTED_OUTDATES).</summary>
    [Fact]
    public void It_is_refused_with_11_while_connected_and_in_sync()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        CommandTicket late = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate);
        Assert.Equal(11, late.ExitCode);
        Assert.Contains("in sync", late.Result!.Message, StringComparison.Ordinal);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.AssertInSync();
    }
}
