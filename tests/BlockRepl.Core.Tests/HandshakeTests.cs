using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>From a link to Connected, or to a refusal that both sides can read (G6, G7, hard parts 5, 16, 18 and 19).</summary>
public class HandshakeTests
{
    private static ConnectionState StateOf(SimulatedNode node) => node.Status.ConnectionState(ClusterHarness.PeerOf);

    private static string DetailOf(SimulatedNode node) => node.Status.Detail(ClusterHarness.PeerOf);

    [Fact]
    public void Two_fresh_nodes_connect_and_are_both_Inconsistent()
    {
        var cluster = new ClusterHarness();
        cluster.StartBoth();
        cluster.Run();
        Assert.True(cluster.IsConnected);
        Assert.Equal(DiskState.Inconsistent, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(ReplicationState.Established, cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }

    /// <summary>Hard part 5: what a crashed Primary wrote and told nobody is undone from the new Primary's data.</summary>
    [Fact]
    public void A_crashed_Primary_returns_as_target_and_its_unacknowledged_tail_is_replaced()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest known = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest tail = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange);
        cluster.CutSilently();
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Null(tail.Result);
        cluster.Alpha.AssertHolds(tail);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest later = cluster.Write(cluster.Beta, 65536);
        cluster.Run();
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(known);
        cluster.Alpha.AssertHolds(later);
        Assert.Contains(cluster.Alpha.Log, l => l.Contains("TargetBitmap", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_crashed_Primary_that_returns_before_anybody_was_promoted_is_the_source_unless_it_lost_its_cache(bool lostPower)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        if (lostPower)
            cluster.Alpha.PowerCut();
        else
            cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        Assert.Contains(cluster.Alpha.Log, l => l.Contains(lostPower ? "TargetBitmap by rule 40" : "SourceBitmap by rule 40", StringComparison.Ordinal));
    }

    /// <summary>A source that survived a crash of its process only in the page cache is stable before the target becomes Inconsistent.</summary>
    [Fact]
    public void A_crashed_Primary_that_loses_power_during_the_resync_still_has_what_the_target_gave_up()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        while (cluster.Beta.Status.DiskState(ClusterHarness.Volume0) != DiskState.Inconsistent)
            Assert.True(cluster.StepOnce());
        cluster.Alpha.PowerCut();
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }

    /// <summary>G1: with protocol A only the Primary may have what it flushed; losing power must not cost it.</summary>
    [Fact]
    public void In_protocol_A_a_Primary_that_lost_power_keeps_what_it_had_flushed()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = WriteProtocol.A });
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
        cluster.CutSilently();
        cluster.Alpha.PowerCut();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }

    /// <summary>G1, G2: what was promised when the changes were answered counts, not what the files say when the crashed Primary is back.</summary>
    [Theory]
    [InlineData(WriteProtocol.A, WriteProtocol.C)]
    [InlineData(WriteProtocol.B, WriteProtocol.C)]
    [InlineData(WriteProtocol.C, WriteProtocol.A)]
    public void A_crashed_Primarys_return_is_judged_by_the_protocol_that_was_in_force(WriteProtocol then, WriteProtocol now)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = then });
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        if (then == WriteProtocol.C)
        {
            // On both, flushed on neither: alpha loses it.
            cluster.Run();
        }
        else
        {
            // Flushed on alpha; beta has perhaps never got it.
            cluster.RunDisk(cluster.Alpha);
            if (then == WriteProtocol.B)
            {
                cluster.DeliverAll(cluster.Beta);
                cluster.DeliverAll(cluster.Alpha);
            }

            ClientRequest flush = cluster.Flush(cluster.Alpha);
            cluster.RunDisk(cluster.Alpha);
            Assert.True(flush.IsAcknowledged);
        }

        Assert.True(write.IsAcknowledged);
        cluster.CutSilently();
        cluster.Alpha.PowerCut();
        if (then == WriteProtocol.B)
            cluster.Beta.Kill();
        else
            cluster.NoticeLinkDown(cluster.Beta);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            if (node.IsAlive)
                node.Reconfigure(s => s with { Protocol = now });
            else
                node.Settings = node.Settings with { Protocol = now };
        }

        cluster.Alpha.Start();
        if (!cluster.Beta.IsAlive)
            cluster.Beta.Start();
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }

    /// <summary>The other way round: after an orderly end, or once the peer has everything, protocol C counts again.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_Primary_that_answered_early_once_is_judged_by_protocol_C_again_when_the_peer_has_everything(bool live)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = WriteProtocol.A });
        cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        if (!live)
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            node.Reconfigure(s => s with { Protocol = WriteProtocol.C });
        cluster.Run();
        if (!live)
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.PowerCut();
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }

    /// <summary>The record that changes are answered early is durable before the first of them is.</summary>
    [Fact]
    public void Nothing_is_answered_early_before_that_is_on_record()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            node.Reconfigure(s => s with { Protocol = WriteProtocol.A });
        do
        {
            cluster.RunDiskExcept(cluster.Alpha, EffectKind.WriteMetadata);
        }
        while (cluster.CompleteOne(cluster.Beta) || cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha));
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDiskExcept(cluster.Alpha, EffectKind.WriteMetadata);
        Assert.Null(write.Result);
        cluster.RunDisk(cluster.Alpha);
        Assert.Null(write.Result);
        ClientRequest early = cluster.Write(cluster.Alpha, 8192);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(early.IsAcknowledged);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void After_both_nodes_lost_power_what_was_flushed_is_on_both()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest stable = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.True(flush.IsAcknowledged);
        cluster.Write(cluster.Alpha, 65536);
        cluster.Run();
        cluster.Alpha.PowerCut(cluster.Chance);
        cluster.Beta.PowerCut(cluster.Chance);
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(stable);
        cluster.Beta.AssertHolds(stable);
    }

    [Fact]
    public void A_split_brain_is_seen_on_both_sides_survives_restarts_and_is_resolved_by_naming_the_victim()
    {
        ClusterHarness cluster = SplitBrain(out ClientRequest onAlpha, out ClientRequest onBeta);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.Equal(ConnectionState.StandAlone, StateOf(node));
            Assert.Contains("split brain", DetailOf(node), StringComparison.Ordinal);
        }

        cluster.Alpha.Kill();
        cluster.Beta.Kill();
        cluster.StartBoth();
        cluster.Run();
        Assert.Equal(ConnectionState.StandAlone, StateOf(cluster.Alpha));
        Assert.Equal(ConnectionState.StandAlone, StateOf(cluster.Beta));
        cluster.Alpha.AssertHolds(onAlpha);
        cluster.Beta.AssertHolds(onBeta);

        cluster.Command(cluster.Alpha, OperatorVerb.Connect, discardMyData: true);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(onBeta);
    }

    [Fact]
    public void Two_Primaries_do_not_connect()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Run();

        // Each waits for the other to speak first, but not for ever.
        cluster.Tick(1_000);
        cluster.Run();
        Assert.Equal(ConnectionState.StandAlone, StateOf(cluster.Alpha));
        Assert.Equal(ConnectionState.StandAlone, StateOf(cluster.Beta));
    }

    /// <summary>G7: a node that was Primary alone and wrote nothing has not diverged.</summary>
    [Fact]
    public void A_promotion_without_a_write_is_no_split_brain()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(1);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void Unrelated_data_is_refused_on_both_sides()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.Beta.Kill();
        SimulatedMetadata metadata = cluster.Beta.Metadata[0];
        metadata.Superblock = metadata.Superblock with { Current = new GenerationId(0x1000) };
        cluster.Beta.Start();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        Assert.Equal(ConnectionState.StandAlone, StateOf(cluster.Alpha));
        Assert.Equal(ConnectionState.StandAlone, StateOf(cluster.Beta));
        Assert.Contains("unrelated", DetailOf(cluster.Alpha), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("resource")]
    [InlineData("node")]
    public void Configurations_that_do_not_fit_are_refused_by_name(string what)
    {
        var cluster = new ClusterHarness();
        cluster.Beta.Settings = what switch
        {
            "resource" => cluster.Beta.Settings with { Name = "other" },
            _ => cluster.Beta.Settings with { NodeName = "gamma" },
        };
        cluster.StartBoth();
        for (int i = 0; i < 30; i++)
            cluster.StepOnce();
        Assert.False(cluster.IsConnected);
        string expected = what == "resource" ? "resource other" : "gamma";
        Assert.Contains(cluster.Alpha.Log, l => l.Contains(expected, StringComparison.Ordinal));
    }

    [Fact]
    public void A_peer_that_speaks_no_common_version_is_refused()
    {
        var cluster = new ClusterHarness();
        cluster.StartBoth();
        cluster.RunDisk(cluster.Alpha);
        cluster.RunDisk(cluster.Beta);
        Assert.True(cluster.TryEstablish());
        LinkId link = cluster.Link!.Id;
        cluster.Alpha.Apply(new CoreEvent
        {
            Kind = CoreEventKind.PeerMessage,
            Link = link,
            Subject = new HelloMessage(99, 100, ProtocolFeatures.None, "beta", "alpha", "mail", 1),
        });
        Assert.NotEqual(ConnectionState.Connected, StateOf(cluster.Alpha));
        Assert.Contains("no common protocol version", DetailOf(cluster.Alpha), StringComparison.Ordinal);
    }

    /// <summary>Hard part 16: what one node served alone is not cut to a smaller disk, also after it was demoted.</summary>
    [Fact]
    public void A_disk_smaller_than_what_was_served_alone_is_refused()
    {
        var cluster = new ClusterHarness();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary, force: true).ExitCode);
        cluster.Write(cluster.Alpha, 12 << 20);
        cluster.Run();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        long before = cluster.Alpha.Status.SizeBytes(ClusterHarness.Volume0);
        var small = new SimulatedMetadata("mail", "postgres", "beta", "alpha", 8 << 20, 4);
        cluster.Beta.Start(small);
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        for (int i = 0; i < 30; i++)
            cluster.StepOnce();
        Assert.False(cluster.IsConnected);
        Assert.Equal(before, cluster.Alpha.Status.SizeBytes(ClusterHarness.Volume0));
    }

    [Fact]
    public void A_disk_attached_while_connected_is_compared_in_a_new_handshake()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(2);
        cluster.Beta.Kill();
        cluster.Beta.StartDiskless();
        cluster.IsNetworkUp = true;
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        Assert.True(cluster.IsConnected);
        Assert.Equal(DiskState.Diskless, cluster.Alpha.Status.PeerDiskState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Beta.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void Changes_are_held_back_during_a_handshake_and_go_on_in_order()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Cut();
        Assert.True(cluster.TryEstablish());
        Assert.True(cluster.Deliver(cluster.Alpha));
        Assert.Empty(cluster.Alpha.Status.Suspended);
        while (cluster.Alpha.Status.Suspended.Length == 0)
            Assert.True(cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha));
        ClientRequest one = cluster.Write(cluster.Alpha, 0);
        ClientRequest two = cluster.Write(cluster.Alpha, 0);
        Assert.Empty(cluster.Alpha.Pending);
        Assert.NotEmpty(cluster.Alpha.Status.Suspended);
        cluster.Run();
        Assert.True(one.IsAcknowledged && two.IsAcknowledged);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(two);
    }

    private static ClusterHarness SplitBrain(out ClientRequest onAlpha, out ClientRequest onBeta)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        onAlpha = cluster.Write(cluster.Alpha, 0);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        onBeta = cluster.Write(cluster.Beta, 0);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        Assert.True(onAlpha.IsAcknowledged && onBeta.IsAcknowledged);
        cluster.IsNetworkUp = true;
        cluster.Run();
        return cluster;
    }
}
