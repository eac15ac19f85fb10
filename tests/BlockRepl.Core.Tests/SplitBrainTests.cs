using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Whole clusters that diverge, or that look as if they had: G7, and DRBD's scenarios around it (research section 5.1).</summary>
public class SplitBrainTests
{
    private static readonly VolumeNr Volume = ClusterHarness.Volume0;

    /// <summary>A cluster whose nodes both wrote alone: alpha, Primary when they parted, wrote one block, beta two. Both are Secondary and not connected.</summary>
    internal static ClusterHarness Diverged(Func<ResourceSettings, ResourceSettings>? settings = null)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings);
        cluster.Tick();
        cluster.Run();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        WriteAlone(cluster, cluster.Alpha, 0);
        cluster.Tick(60_000);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        WriteAlone(cluster, cluster.Beta, 65536);
        ClientRequest second = cluster.Write(cluster.Beta, 131072);
        cluster.Run();
        Assert.True(second.IsAcknowledged);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        return cluster;
    }

    internal static void Join(ClusterHarness cluster)
    {
        cluster.IsNetworkUp = true;
        cluster.Run();
    }

    [Fact]
    public void G7_both_nodes_say_how_much_each_changed_and_since_when_across_restarts()
    {
        ClusterHarness cluster = Diverged();
        Join(cluster);
        for (int round = 0; round < 2; round++)
        {
            Divergence onAlpha = cluster.Alpha.Status.Divergence(Volume, ClusterHarness.PeerOf)!;
            Divergence onBeta = cluster.Beta.Status.Divergence(Volume, ClusterHarness.PeerOf)!;
            Assert.Equal((1, 2), (onAlpha.ChangedHereBlocks, onAlpha.ChangedThereBlocks));
            Assert.Equal((onAlpha.ChangedHereBlocks, onAlpha.SinceHereMs, onAlpha.ChangedThereBlocks, onAlpha.SinceThereMs),
                (onBeta.ChangedThereBlocks, onBeta.SinceThereMs, onBeta.ChangedHereBlocks, onBeta.SinceHereMs));
            Assert.InRange(onAlpha.SinceHereMs, cluster.WallMs - 100_000, cluster.WallMs);
            Assert.Equal(60_000, onAlpha.SinceThereMs - onAlpha.SinceHereMs);
            Assert.Contains("4096 bytes on alpha since 20", cluster.Beta.Status.Detail(ClusterHarness.PeerOf), StringComparison.Ordinal);
            cluster.Alpha.Kill();
            cluster.Beta.PowerCut();
            cluster.StartBoth();
            cluster.Run();
        }
    }

    /// <summary>G15: metadata of version 1 does not know since when, and which node was Primary; the split brain is found all the same.</summary>
    [Fact]
    public void G15_metadata_of_version_1_does_not_know_the_time()
    {
        ClusterHarness cluster = Diverged();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            node.Kill();
            Superblock superblock = node.Metadata[0].Superblock;
            byte[] bytes = new byte[MetadataLayout.SuperblockBytes];
            SuperblockCodec.Encode(superblock with { Version = 1, ActivityLogExtents = 67 }, 1, bytes);
            node.Metadata[0].Superblock = SuperblockCodec.Decode(bytes).Superblock! with { ActivityLogExtents = superblock.ActivityLogExtents };
        }

        cluster.IsNetworkUp = true;
        cluster.StartBoth();
        cluster.Run();
        Divergence divergence = cluster.Alpha.Status.Divergence(Volume, ClusterHarness.PeerOf)!;
        Assert.Equal(new Divergence(1, 0, 2, 0), divergence);
    }

    [Theory]
    [InlineData(AfterSplitBrain0Pri.DiscardLeastChanges, "alpha")]
    [InlineData(AfterSplitBrain0Pri.DiscardYoungerPrimary, "beta")]
    [InlineData(AfterSplitBrain0Pri.DiscardOlderPrimary, "alpha")]
    public void A_policy_resolves_a_split_brain_on_both_nodes_alike(AfterSplitBrain0Pri policy, string victim)
    {
        ClusterHarness cluster = Diverged(s => s with { SplitBrain = new SplitBrainPolicies { NoPrimary = policy }, Handlers = HandlerSet.All });
        SimulatedNode survivor = victim == "alpha" ? cluster.Beta : cluster.Alpha;
        ulong kept = ClusterHarness.IdIn(survivor.Disks[0].Cache[victim == "alpha" ? 16 : 0]);
        Join(cluster);
        cluster.AssertInSync();
        Assert.Equal(kept, ClusterHarness.IdIn(cluster.Other(survivor).Disks[0].Cache[victim == "alpha" ? 16 : 0]));
        Assert.Null(cluster.Alpha.Status.Divergence(Volume, ClusterHarness.PeerOf));
        Assert.Contains(cluster.Alpha.Log, line => line.Contains($"{victim} loses its changes", StringComparison.Ordinal));
    }

    [Fact]
    public void A_crashed_Primary_counts_as_the_older_one()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { SplitBrain = new SplitBrainPolicies { NoPrimary = AfterSplitBrain0Pri.DiscardOlderPrimary } });
        cluster.IsNetworkUp = false;
        cluster.CutSilently();
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest onBeta = WriteAlone(cluster, cluster.Beta, 0);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        for (int block = 0; block < 4; block++)
            WriteAlone(cluster, cluster.Alpha, block << Block.Shift);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        Join(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(onBeta);
    }

    [Fact]
    public void Different_policies_are_refused_by_name_on_both_nodes()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Beta.Kill();
        cluster.Beta.Settings = cluster.Beta.Settings with { SplitBrain = new SplitBrainPolicies { OnePrimary = AfterSplitBrain1Pri.DiscardSecondary } };
        cluster.Beta.Start();
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.IsNetworkUp = true;
        for (int i = 0; i < 60; i++)
            cluster.StepOnce();
        Assert.False(cluster.IsConnected);
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("here none, there after-sb-1pri discard-secondary", StringComparison.Ordinal));
        Assert.Contains(cluster.Beta.Log, line => line.Contains("here after-sb-1pri discard-secondary, there none", StringComparison.Ordinal));
    }

    /// <summary>A node that lost the connection before it could see for itself is told when it asks again.</summary>
    [Fact]
    public void G7_a_node_that_dials_a_StandAlone_one_is_told_of_the_split_brain()
    {
        ClusterHarness cluster = Diverged();
        cluster.IsNetworkUp = true;
        while (cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf) != ConnectionState.StandAlone)
            Assert.True(cluster.StepOnce());
        cluster.CutSilently();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        Assert.True(cluster.Link is not null);
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.LinkUp, Link = cluster.Link.Id });
        Assert.Contains(cluster.Alpha.Effects, static effect => effect == EffectKind.SendMessage);
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
    }

    /// <summary>The operator's word is not spent by a connection that ends before the victim has begun.</summary>
    [Fact]
    public void The_word_that_names_the_victim_outlives_a_lost_connection_but_not_a_promotion()
    {
        ClusterHarness cluster = Diverged();
        Join(cluster);
        cluster.Command(cluster.Beta, OperatorVerb.Connect, discardMyData: true);
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        while (!cluster.IsConnected)
            Assert.True(cluster.StepOnce());
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Join(cluster);
        cluster.AssertInSync();
        Assert.Contains(cluster.Alpha.Log, static line => line.Contains("SourceBitmap by rule 90", StringComparison.Ordinal));

        cluster = Diverged();
        cluster.Command(cluster.Beta, OperatorVerb.Connect, discardMyData: true);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest later = WriteAlone(cluster, cluster.Beta, 4096);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        Join(cluster);
        Assert.Equal(ConnectionState.StandAlone, cluster.Beta.Status.ConnectionState(ClusterHarness.PeerOf));
        cluster.Beta.AssertHolds(later);
    }

    /// <summary>The window between the source's and the target's durable begin costs no full resync, however often the connection is lost in it.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_resolution_cut_before_the_victim_began_goes_on_with_the_marks(int cuts)
    {
        ClusterHarness cluster = Diverged();
        cluster.Command(cluster.Beta, OperatorVerb.Connect, discardMyData: true);
        for (int i = 0; i < cuts; i++)
        {
            cluster.IsNetworkUp = true;
            int before = cluster.Alpha.Effects.Count;
            GenerationId bitmap = cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration;
            while (!cluster.IsConnected || i == 0 && cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration == bitmap || cluster.Alpha.Pending.Count > 0)
                Assert.True(cluster.StepOnce());
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
        }

        Assert.NotEqual(DiskState.Inconsistent, cluster.Beta.Status.DiskState(Volume));
        Join(cluster);
        cluster.AssertInSync();
        Assert.DoesNotContain(cluster.Alpha.Log, static line => line.Contains("SourceFull", StringComparison.Ordinal));
    }

    /// <summary>lost-primary-after-no-writes: a Primary that wrote nothing since the last sync leaves nothing to resync and no split brain, whoever goes on.</summary>
    [Fact]
    public void G7_a_Primary_that_died_without_a_write_is_no_side_in_a_split_brain()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CutSilently();
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest write = WriteAlone(cluster, cluster.Beta, 0);
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        Assert.Contains(cluster.Alpha.Log, static line => line.Contains("TargetBitmap by rule 50", StringComparison.Ordinal));
    }

    /// <summary>revert-older-data: the side with the older data, promoted by force and written to, never wins silently over the newer.</summary>
    [Fact]
    public void G7_older_data_made_to_count_by_force_is_a_split_brain()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        ClientRequest newer = WriteAlone(cluster, cluster.Alpha, 0);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true).ExitCode);
        ClientRequest older = WriteAlone(cluster, cluster.Beta, 4096);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        Join(cluster);
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Equal(ConnectionState.StandAlone, cluster.Beta.Status.ConnectionState(ClusterHarness.PeerOf));
        cluster.Alpha.AssertHolds(newer);
        cluster.Beta.AssertHolds(older);

        // Whoever decides that the older data counts gets it, on both.
        cluster.Command(cluster.Alpha, OperatorVerb.Connect, discardMyData: true);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(older);
        Assert.Equal(0UL, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Cache[0]));
    }

    /// <summary>uuid-disconnect-resync, uuid-detach-resync: only what was written meanwhile is resynced, after a disconnect and after the loss of the target's process.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_peer_missed_is_resynced_by_marks_and_generations_end_equal(bool targetRestarts)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        for (int round = 0; round < 3; round++)
        {
            if (targetRestarts)
            {
                cluster.CutSilently();
                cluster.Beta.Kill();
                cluster.NoticeLinkDown(cluster.Alpha);
            }
            else
            {
                cluster.CommandAndRun(cluster.Beta, OperatorVerb.Disconnect);
            }

            ClientRequest write = WriteAlone(cluster, cluster.Alpha, round << Block.Shift);
            Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(Volume, ClusterHarness.PeerOf));
            if (targetRestarts)
                cluster.Beta.Start();
            cluster.Alpha.Log.Clear();
            cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
            cluster.AssertInSync();
            cluster.Beta.AssertHolds(write);
            Assert.Contains(cluster.Alpha.Log, static line => line.Contains("resync begins as source, 4096 bytes", StringComparison.Ordinal));
            Superblock alpha = cluster.Alpha.Metadata[0].Superblock;
            Superblock beta = cluster.Beta.Metadata[0].Superblock;
            Assert.Equal(alpha.Current, beta.Current);
            Assert.Equal(alpha.History.AsEnumerable(), beta.History.AsEnumerable());
            Assert.True(alpha.Peers[0].BitmapGeneration.IsNone && beta.Peers[0].BitmapGeneration.IsNone);
            Assert.Equal(0, alpha.Peers[0].BitmapSinceMs);
        }
    }

    /// <summary>resync-missed-end-no-bits: one side missed the end of a resync, and no block is marked; the next connection sets it right without copying.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_missed_end_of_a_resync_without_marks_is_set_right_without_copying(bool restarts)
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(2);
        cluster.IsNetworkUp = true;
        while (!cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone
            || cluster.Alpha.Status.ReplicationState(Volume, ClusterHarness.PeerOf) != ReplicationState.SyncSource)
        {
            Assert.True(cluster.StepOnce());
        }

        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(DiskState.Inconsistent, cluster.Beta.Status.DiskState(Volume));
        if (restarts)
        {
            cluster.Beta.Kill();
            cluster.Beta.Start();
            cluster.Command(cluster.Beta, OperatorVerb.Connect);
        }

        cluster.Alpha.Log.Clear();
        Join(cluster);
        cluster.AssertInSync();
        Assert.Contains(cluster.Alpha.Log, static line => line.Contains("SourceBitmap by rule 71", StringComparison.Ordinal));
        Assert.Contains(cluster.Alpha.Log, static line => line.Contains("resync begins as source, 0 bytes", StringComparison.Ordinal));
    }

    /// <summary>The open question of seed 1267 of the random runs: a target that was promoted over the connection on which it was resynced mirrors its writes (I2).</summary>
    [Fact]
    public void I2_a_former_target_promoted_on_the_same_connection_mirrors_and_takes_no_generation()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(1);
        Join(cluster);
        cluster.AssertInSync();
        GenerationId before = cluster.Beta.Metadata[0].Superblock.Current;
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest write = WriteAlone(cluster, cluster.Beta, 65536);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        Assert.Equal(before, cluster.Beta.Metadata[0].Superblock.Current);
    }

    [Theory]
    [InlineData(RoleConflictPolicy.Disconnect)]
    [InlineData(RoleConflictPolicy.RetryConnect)]
    [InlineData(RoleConflictPolicy.CallPrimaryLost)]
    public void A_Primary_that_would_have_to_be_overwritten_keeps_its_data_and_rr_conflict_says_what_next(RoleConflictPolicy policy)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { RoleConflict = policy, Handlers = HandlerSet.All });
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest write = WriteAlone(cluster, cluster.Beta, 0);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        cluster.IsNetworkUp = true;
        for (int i = 0; i < 40; i++)
            cluster.StepOnce();
        Assert.False(cluster.IsConnected);
        Assert.Equal(0UL, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Cache[0]));
        bool retries = policy == RoleConflictPolicy.RetryConnect;
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            Assert.Equal(retries, node.Status.ConnectionState(ClusterHarness.PeerOf) != ConnectionState.StandAlone);
        Assert.Equal(policy == RoleConflictPolicy.CallPrimaryLost, cluster.Alpha.Effects.Contains(EffectKind.RunHandler) && WasCalled(cluster.Alpha, HandlerKind.PriLost));
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        if (!retries)
        {
            cluster.Command(cluster.Alpha, OperatorVerb.Connect);
            cluster.Command(cluster.Beta, OperatorVerb.Connect);
        }

        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }

    [Fact]
    public void Handlers_are_told_of_every_split_brain_and_of_an_unresolved_one()
    {
        ClusterHarness cluster = Diverged(s => s with { Handlers = HandlerSet.All });
        Join(cluster);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.True(WasCalled(node, HandlerKind.InitialSplitBrain) && WasCalled(node, HandlerKind.SplitBrain));
            Assert.False(WasCalled(node, HandlerKind.PriLostAfterSb));
        }

        cluster = Diverged(s => s with { Handlers = HandlerSet.All, SplitBrain = new SplitBrainPolicies { NoPrimary = AfterSplitBrain0Pri.DiscardLeastChanges } });
        Join(cluster);
        Assert.True(WasCalled(cluster.Alpha, HandlerKind.InitialSplitBrain));
        Assert.False(WasCalled(cluster.Alpha, HandlerKind.SplitBrain));
    }

    [Fact]
    public void A_Primary_that_lost_by_policy_is_told_and_not_overwritten()
    {
        ClusterHarness cluster = Diverged(s => s with
        {
            Handlers = HandlerSet.All,
            SplitBrain = new SplitBrainPolicies { NoPrimary = AfterSplitBrain0Pri.DiscardLeastChanges, OnePrimary = AfterSplitBrain1Pri.CallPrimaryLost },
        });
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        Join(cluster);
        Assert.True(WasCalled(cluster.Alpha, HandlerKind.PriLostAfterSb));
        Assert.False(WasCalled(cluster.Beta, HandlerKind.PriLostAfterSb));
        Assert.NotEqual(0UL, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Cache[0]));
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
    }

    private static ClientRequest WriteAlone(ClusterHarness cluster, SimulatedNode node, long offset)
    {
        ClientRequest write = cluster.Write(node, offset);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        return write;
    }

    private static bool WasCalled(SimulatedNode node, HandlerKind kind) => node.Handlers.Exists(call => call.Kind == kind);
}
