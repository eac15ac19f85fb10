using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.FencingTests;

namespace BlockRepl.Core.Tests;

/// <summary>Promotion where a node does not trust itself without its peer (G6, G13, hard part 20).</summary>
public class FencedPromotionTests
{
    private static readonly VolumeNr V = ClusterHarness.Volume0;

    [Theory]
    [InlineData(FencingPolicy.ResourceOnly, 3, 0)]
    [InlineData(FencingPolicy.ResourceOnly, 4, 0)]
    [InlineData(FencingPolicy.ResourceOnly, 7, 0)]
    [InlineData(FencingPolicy.ResourceOnly, 5, 17)]
    [InlineData(FencingPolicy.ResourceOnly, 6, 17)]
    [InlineData(FencingPolicy.ResourceOnly, 1, 17)]
    [InlineData(FencingPolicy.ResourceAndStonith, 3, 0)]
    [InlineData(FencingPolicy.ResourceAndStonith, 4, 0)]
    [InlineData(FencingPolicy.ResourceAndStonith, 7, 0)]
    [InlineData(FencingPolicy.ResourceAndStonith, 5, 17)]
    [InlineData(FencingPolicy.ResourceAndStonith, 6, 17)]
    [InlineData(FencingPolicy.ResourceAndStonith, HandlerOutcome.Broken, 17)]
    public void G6_a_Consistent_node_is_promoted_only_when_fence_peer_succeeded(FencingPolicy policy, int fenceCode, int exitCode)
    {
        ClusterHarness cluster = InSync(policy);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.Kill();
        cluster.Run();
        Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(V));
        Assert.DoesNotContain(cluster.Beta.Handlers, call => call.Kind == HandlerKind.FencePeer);
        CommandTicket promotion = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        Assert.Null(promotion.Result);
        cluster.CompleteHandler(cluster.Beta, HandlerKind.FencePeer, fenceCode);
        cluster.Run();
        Assert.Equal(exitCode, promotion.ExitCode);
        Assert.Equal(exitCode == 0 ? Role.Primary : Role.Secondary, cluster.Beta.Core.Role);
        if (exitCode == 0)
        {
            cluster.Beta.AssertHolds(write);
            ClientRequest next = cluster.Write(cluster.Beta, 4096);
            cluster.Run();
            Assert.True(next.IsAcknowledged);
        }
        else
        {
            Assert.NotEmpty(promotion.Result!.Hint);
            Assert.Equal(fenceCode == 6 ? DiskState.Outdated : DiskState.Consistent, StateIn(cluster.Beta.Metadata[0].Superblock));
        }

        cluster.Alpha.Start();
        Reconnect(cluster);
        cluster.AssertInSync();
        Assert.DoesNotContain(cluster.Alpha.Log, line => line.Contains("split brain", StringComparison.Ordinal));
    }

    [Fact]
    public void Without_a_handler_a_Consistent_node_is_refused_with_17_and_promoted_by_a_person()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Fencing = FencingPolicy.ResourceOnly });
        cluster.Alpha.Kill();
        cluster.Run();
        CommandTicket promotion = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        Assert.Equal(17, promotion.ExitCode);
        Assert.Contains("no fence-peer handler", promotion.Result!.Message, StringComparison.Ordinal);
        Assert.Contains("--force", promotion.Result.Hint, StringComparison.Ordinal);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true).ExitCode);
    }

    [Fact]
    public void An_Outdated_node_asks_no_handler()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate).ExitCode);
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        Assert.DoesNotContain(cluster.Beta.Handlers, call => call.Kind == HandlerKind.FencePeer);
    }

    /// <summary>Hard part 20: the peer shows up while it is being fenced: it is asked itself, and the handler's answer is ignored.</summary>
    [Fact]
    public void A_promotion_that_waits_for_a_fence_asks_the_peer_that_comes_back()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        CommandTicket promotion = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        Assert.Null(promotion.Result);
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Equal(11, promotion.ExitCode);
        Assert.Contains("alpha is Primary", promotion.Result!.Message, StringComparison.Ordinal);
        cluster.CompleteHandler(cluster.Beta, HandlerKind.FencePeer, 7);
        cluster.Run();
        Assert.Equal(Role.Secondary, cluster.Beta.Core.Role);
        Assert.False(IsKnownOutdated(cluster.Beta));
        cluster.AssertInSync();
    }

    /// <summary>Hard part 20: cut at each step of a promotion that its peer has granted: Primary with evidence, or not Primary and nothing left of it.</summary>
    [Fact]
    public void G6_a_promotion_that_loses_its_peer_on_the_way_is_taken_back()
    {
        int refused = 0;
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
            CommandTicket promotion = cluster.Command(cluster.Beta, OperatorVerb.Primary);
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            Lose(cluster);
            cluster.Run();
            if (promotion.ExitCode == 0)
            {
                // It was Primary before the loss: so it was lost as a Primary loses its peer.
                ClientRequest write = cluster.Write(cluster.Beta, 0);
                cluster.Run();
                Assert.False(write.IsAnswered, $"after {steps} steps");
                continue;
            }

            refused++;
            Assert.Equal(11, promotion.ExitCode);
            Assert.Equal(Role.Secondary, cluster.Beta.Core.Role);
            Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(V));
            Assert.False(cluster.Beta.Metadata[0].Superblock.Flags.HasFlag(SuperblockFlags.PrimaryIndicator), $"after {steps} steps");
            Assert.False(cluster.Beta.Status.Superblock(V)!.Flags.HasFlag(SuperblockFlags.PrimaryIndicator));
        }

        Assert.True(refused > 3, "too few interleavings");
    }

    /// <summary>A Primary that disconnects leaves its peer behind; a promotion there that it has granted, or is asked to grant, must not make older data count (G6), whenever the message comes by.</summary>
    [Fact]
    public void G6_a_promotion_that_is_left_behind_on_the_way_is_taken_back()
    {
        int left = 0;
        bool isOver = false;
        for (int steps = 0; !isOver; steps++)
        {
            ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
            CommandTicket disconnect = cluster.Command(cluster.Alpha, OperatorVerb.Disconnect);
            CommandTicket demotion = cluster.Command(cluster.Alpha, OperatorVerb.Secondary);
            for (int done = 0; done < steps && !isOver; done++)
                isOver = !cluster.StepOnce();
            CommandTicket promotion = cluster.Command(cluster.Beta, OperatorVerb.Primary);
            cluster.Run();
            if (cluster.Beta.Core.Role == Role.Primary)
            {
                Assert.DoesNotContain(cluster.Beta.Log, static line => line.Contains("Behind:", StringComparison.Ordinal));
                continue;
            }

            left++;
            Assert.NotEqual(0, promotion.ExitCode);
            Assert.False(cluster.Beta.Metadata[0].Superblock.Flags.HasFlag(SuperblockFlags.PrimaryIndicator), $"after {steps} steps");
            Assert.True(disconnect.Result is not null && demotion.Result is not null);
        }

        Assert.True(left > 3, "too few interleavings");
    }

    /// <summary>One volume's metadata cannot be written: the others must not come back from a crash as a Primary's.</summary>
    [Fact]
    public void A_promotion_that_fails_on_one_volume_leaves_no_indicator_on_the_others()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Volumes = ["postgres", "spool"] });
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        CommandTicket promotion = cluster.Command(cluster.Beta, OperatorVerb.Primary);
        bool IsFirst(PendingOperation o) => o.Kind == EffectKind.WriteMetadata && o.Volume == V;
        while (!cluster.Beta.Pending.Exists(IsFirst))
            Assert.True(cluster.StepOnce());
        cluster.Complete(cluster.Beta, cluster.Beta.Pending.First(IsFirst), DiskResult.Io);
        cluster.Run();
        Assert.NotEqual(0, promotion.ExitCode);
        Assert.Equal(Role.Secondary, cluster.Beta.Core.Role);
        Assert.False(cluster.Beta.Status.Superblock(new VolumeNr(1))!.Flags.HasFlag(SuperblockFlags.PrimaryIndicator));
        Assert.False(cluster.Beta.Metadata[1].Superblock.Flags.HasFlag(SuperblockFlags.PrimaryIndicator));
    }

    /// <summary>
    /// G6, G7: a promotion by force that fails on one volume leaves the others as they were. What is half of a resync must not be UpToDate under a generation of its own because somebody once tried to serve it.
    /// </summary>
    [Fact]
    public void G6_a_forced_promotion_that_fails_leaves_no_generation_behind()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Volumes = ["postgres", "spool"] });
        var spool = new VolumeNr(1);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Disconnect);
        cluster.Command(cluster.Beta, new OperatorCommand(OperatorVerb.Invalidate) { Volume = spool });
        cluster.Run();
        Assert.Equal(DiskState.Inconsistent, cluster.Beta.Status.DiskState(spool));
        Superblock before = cluster.Beta.Metadata[1].Superblock;
        CommandTicket promotion = cluster.Command(cluster.Beta, new OperatorCommand(OperatorVerb.Primary) { Force = true });
        bool IsFirst(PendingOperation o) => o.Kind == EffectKind.WriteMetadata && o.Volume == V;
        while (!cluster.Beta.Pending.Exists(IsFirst))
            Assert.True(cluster.StepOnce());
        cluster.Complete(cluster.Beta, cluster.Beta.Pending.First(IsFirst), DiskResult.Io);
        cluster.Run();
        Assert.NotEqual(0, promotion.ExitCode);
        Superblock after = cluster.Beta.Metadata[1].Superblock;
        Assert.Equal(before.Current, after.Current);
        Assert.Equal(before.Flags, after.Flags);
        Assert.Equal(before.Peers[0].BitmapGeneration, after.Peers[0].BitmapGeneration);
        Assert.Equal(DiskState.Inconsistent, cluster.Beta.Status.DiskState(spool));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        Assert.NotEqual(SyncResult.SplitBrain, cluster.Alpha.Status.Verdict(spool, new PeerId(0)).Result);
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(spool));
    }

    /// <summary>switch-primaries: the role wanders, each node writes, nothing is fenced, nothing is lost.</summary>
    [Theory]
    [InlineData(FencingPolicy.DontCare)]
    [InlineData(FencingPolicy.ResourceOnly)]
    [InlineData(FencingPolicy.ResourceAndStonith)]
    public void Primaries_switch_back_and_forth(FencingPolicy policy)
    {
        ClusterHarness cluster = InSync(policy);
        SimulatedNode primary = cluster.Alpha;
        for (int i = 0; i < 6; i++)
        {
            ClientRequest write = cluster.Write(primary, i * 4096);
            Assert.Equal(0, cluster.CommandAndRun(primary, OperatorVerb.Secondary).ExitCode);
            Assert.True(write.IsAcknowledged);
            primary = cluster.Other(primary);
            Assert.Equal(0, cluster.CommandAndRun(primary, OperatorVerb.Primary).ExitCode);
            primary.AssertHolds(write);
        }

        Assert.Empty(cluster.Alpha.Handlers);
        Assert.Empty(cluster.Beta.Handlers);
        cluster.AssertInSync();
    }

    /// <summary>concurrent-promote-demote, I15: whatever the order in which things happen, two connected nodes are never both Primary.</summary>
    [Theory]
    [InlineData(FencingPolicy.DontCare)]
    [InlineData(FencingPolicy.ResourceAndStonith)]
    public void I15_promotions_and_demotions_at_once_never_make_two_connected_Primaries(FencingPolicy policy)
    {
        for (ulong seed = 1; seed <= 60; seed++)
        {
            ClusterHarness cluster = InSync(policy);
            var chance = new Prng(seed);
            List<CommandTicket> tickets = [];
            for (int i = 0; i < 120; i++)
            {
                SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
                if (chance.OneIn(8))
                    tickets.Add(cluster.Command(node, chance.OneIn(2) ? OperatorVerb.Primary : OperatorVerb.Secondary));
                else if (chance.OneIn(2))
                    cluster.CompleteOne(node);
                else
                    cluster.Deliver(node);
                Assert.False(
                    cluster.IsConnected && cluster.Alpha.Core.Role == Role.Primary && cluster.Beta.Core.Role == Role.Primary, $"seed {seed}");
            }

            cluster.Run();
            cluster.Tick(1_500);
            cluster.Run();
            Assert.All(tickets, ticket => Assert.Contains(ticket.ExitCode, new[] { 0, 11 }));
            cluster.AssertInSync();
        }
    }

    /// <summary>two-primaries-reject: two nodes that were each promoted by a person do not connect, and say why.</summary>
    [Fact]
    public void I15_two_Primaries_refuse_each_other()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Tick(1_500);
        cluster.Run();
        cluster.Tick(1_500);
        cluster.Run();
        Assert.False(cluster.IsConnected);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.Equal(Role.Primary, node.Core.Role);
            Assert.Equal(ConnectionState.StandAlone, node.Status.ConnectionState(ClusterHarness.PeerOf));
        }
    }
}
