using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Promotion and demotion (G6, hard parts 6 and 20).</summary>
public class RoleTests
{
    [Fact]
    public void Promotion_is_refused_with_11_while_the_peer_is_Primary()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        CommandTicket ticket = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        Assert.Equal(11, ticket.ExitCode);
        Assert.Contains("alpha is Primary", ticket.Result!.Message, StringComparison.Ordinal);
        Assert.NotEmpty(ticket.Result.Hint);
        Assert.Equal(Role.Secondary, cluster.Beta.Core.Role);
    }

    [Fact]
    public void Promotion_of_an_Inconsistent_disk_is_refused_with_17()
    {
        var cluster = new ClusterHarness();
        cluster.StartBoth();
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
    }

    [Fact]
    public void Promotion_of_an_Outdated_disk_is_refused_with_17()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Beta.Kill();
        SimulatedMetadata metadata = cluster.Beta.Metadata[0];
        metadata.Superblock = metadata.Superblock with { Flags = Generations.FlagsFor(DiskState.Outdated, metadata.Superblock.Flags) };
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    [Fact]
    public void With_fencing_a_Secondary_that_lost_its_peer_is_Consistent_and_refused_with_17()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Fencing = FencingPolicy.ResourceOnly });
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void Promotion_without_a_disk_and_without_a_peer_is_refused_with_16()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.Beta.Apply(new CoreEvent { Kind = CoreEventKind.DiskFailed, Subject = "pulled out" });
        cluster.Run();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(16, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    /// <summary>G6: a node that has learned in a handshake that its data is old does not forget it with the connection.</summary>
    [Fact]
    public void A_node_that_learned_that_its_data_is_old_is_not_promoted_after_the_connection_is_lost()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(3);
        cluster.IsNetworkUp = true;
        while (cluster.Beta.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.WFBitMapT)
            Assert.True(cluster.StepOnce());
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_two_connected_nodes_promoted_at_once_one_wins(bool betaFirst)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        SimulatedNode first = betaFirst ? cluster.Beta : cluster.Alpha;
        CommandTicket one = cluster.Command(first, OperatorVerb.Primary);
        CommandTicket two = cluster.Command(cluster.Other(first), OperatorVerb.Primary);
        cluster.Run();
        Assert.Equal([0, 11], new[] { one.ExitCode, two.ExitCode }.Order());
        Assert.NotEqual(cluster.Alpha.Core.Role, cluster.Beta.Core.Role);
        cluster.AssertInSync();
    }

    /// <summary>Hard part 20: a node that was granted the role keeps the grant, whatever it says of itself before it is Primary.</summary>
    [Fact]
    public void A_node_that_granted_a_promotion_is_not_promoted_before_it_is_over()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        CommandTicket beta = cluster.Command(cluster.Beta, OperatorVerb.Primary);
        cluster.DeliverAll(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        Assert.Contains(cluster.Beta.Pending, o => o.Kind == EffectKind.LocalFlush);

        // Something else makes beta send its status, which still says Secondary.
        cluster.Beta.Apply(new CoreEvent
        {
            Kind = CoreEventKind.PeerMessage,
            Link = cluster.Link!.Id,
            Subject = new Protocol.PeerStatusMessage(Role.Secondary, [new(ClusterHarness.Volume0, DiskState.Consistent, 0)]),
        });
        cluster.DeliverAll(cluster.Alpha);
        CommandTicket alpha = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        cluster.Run();
        Assert.Equal((0, 11), (beta.ExitCode, alpha.ExitCode));
        Assert.Equal(Role.Secondary, cluster.Alpha.Core.Role);
    }

    /// <summary>Hard part 20: promotions that began while there was no connection do not meet in one.</summary>
    [Fact]
    public void Two_promotions_that_began_before_the_connection_never_share_it()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.Cut();
        cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        cluster.Command(cluster.Beta, OperatorVerb.Primary);
        Assert.True(cluster.TryEstablish());
        while (cluster.Deliver(cluster.Alpha) || cluster.Deliver(cluster.Beta))
        {
        }

        cluster.Run();
        Assert.False(cluster.IsConnected && cluster.Alpha.Core.Role == Role.Primary && cluster.Beta.Core.Role == Role.Primary);
    }

    [Fact]
    public void Demotion_leaves_nothing_unstable_and_an_empty_log()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.NotEqual(0, cluster.Alpha.Disks[0].UnflushedCount);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.True(write.IsAcknowledged);
        Assert.Equal(0, cluster.Alpha.Disks[0].UnflushedCount);
        Assert.Equal(0, cluster.Beta.Disks[0].UnflushedCount);
        Assert.Empty(cluster.Alpha.Metadata[0].ActiveExtents);
        Assert.False(cluster.Alpha.Metadata[0].Superblock.Flags.HasFlag(Format.SuperblockFlags.PrimaryIndicator));
    }

    /// <summary>A write that comes during a demotion is held until it is over, also when a connection comes or goes meanwhile; then it is refused.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_write_that_comes_during_a_demotion_is_not_let_through_by_a_lost_or_new_connection(bool connects)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        if (connects)
            cluster.Cut();
        CommandTicket demotion = cluster.Command(cluster.Alpha, OperatorVerb.Secondary);
        ClientRequest late = cluster.Write(cluster.Alpha, 0);
        if (connects)
            Assert.True(cluster.TryEstablish());
        else
            cluster.Cut();
        cluster.Run();
        Assert.Equal(0, demotion.ExitCode);
        Assert.Equal(DiskResult.Io, late.Result);
        Assert.Empty(cluster.Alpha.Metadata[0].ActiveExtents);
        cluster.AssertInSync();
    }

    /// <summary>A metadata error ends the role change with an answer (hard part 28).</summary>
    [Theory]
    [InlineData(OperatorVerb.Primary)]
    [InlineData(OperatorVerb.Secondary)]
    public void A_role_change_whose_metadata_cannot_be_written_is_answered(OperatorVerb verb)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        SimulatedNode node = verb == OperatorVerb.Primary ? cluster.Beta : cluster.Alpha;
        if (verb == OperatorVerb.Primary)
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        CommandTicket ticket = cluster.Command(node, verb);
        while (!node.Pending.Exists(o => o.Kind == EffectKind.WriteMetadata))
            Assert.True(cluster.StepOnce());
        cluster.Complete(node, EffectKind.WriteMetadata, DiskResult.Io);
        cluster.Run();
        Assert.NotEqual(-1, ticket.ExitCode);
        Assert.Equal(Role.Secondary, node.Core.Role);
        Assert.Equal(DiskState.Failed, node.Status.DiskState(ClusterHarness.Volume0));
    }

    [Fact]
    public void Demotion_of_a_resync_source_does_not_wait_for_the_resync()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { ResyncWindowBytes = 2 << 20 }, volumeBytes: 64 << 20);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        for (int i = 0; i < 40; i++)
        {
            cluster.Write(cluster.Alpha, i * (1L << 20), 1 << 20);
            cluster.Run();
        }

        cluster.IsNetworkUp = true;
        while (cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.SyncSource)
            Assert.True(cluster.StepOnce());
        CommandTicket demotion = cluster.Command(cluster.Alpha, OperatorVerb.Secondary);
        for (int i = 0; i < 300 && demotion.Result is null; i++)
            Assert.True(cluster.StepOnce());
        Assert.Equal(0, demotion.ExitCode);
        Assert.NotEqual(0, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>A promotion that waits for a handshake goes on when the handshake is refused, and a demotion does not claim to be over meanwhile.</summary>
    [Fact]
    public void A_promotion_that_waits_for_a_handshake_goes_on_when_that_is_refused()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.Alpha.Kill();
        SimulatedMetadata metadata = cluster.Alpha.Metadata[0];
        metadata.Superblock = metadata.Superblock with { Current = new GenerationId(0x1000) };
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        while (cluster.Deliver(cluster.Beta) || cluster.TryEstablish() || cluster.Deliver(cluster.Alpha))
        {
        }

        CommandTicket promotion = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        Assert.Equal(11, cluster.Command(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Null(promotion.Result);
        cluster.Run();
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Equal(0, promotion.ExitCode);
    }

    [Fact]
    public void Down_and_a_promotion_exclude_each_other()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        CommandTicket down = cluster.Command(cluster.Beta, OperatorVerb.Down);
        CommandTicket promotion = cluster.Command(cluster.Beta, OperatorVerb.Primary);
        cluster.Run();
        Assert.Equal((0, 11), (down.ExitCode, promotion.ExitCode));

        promotion = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        down = cluster.Command(cluster.Alpha, OperatorVerb.Down);
        cluster.Run();
        Assert.Equal((0, 11), (promotion.ExitCode, down.ExitCode));
    }
}
