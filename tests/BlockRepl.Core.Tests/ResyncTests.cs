using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Resync (G5, G8, G9, I4, I5, hard part 4).</summary>
public class ResyncTests
{
    /// <summary>Alpha is Primary and has written into every fourth block what beta missed; the network is down.</summary>
    internal static ClusterHarness WithMissedWrites(int writes, Func<ResourceSettings, ResourceSettings>? settings = null)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        for (int i = 0; i < writes; i++)
            cluster.Write(cluster.Alpha, i * 4L * Block.Size);
        cluster.Run();
        return cluster;
    }

    [Fact]
    public void Just_the_missed_blocks_are_resynced_after_a_reconnect()
    {
        ClusterHarness cluster = WithMissedWrites(10);
        Assert.Equal(10, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.IsNetworkUp = true;
        int before = cluster.Alpha.Effects.Count;
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(10, cluster.Alpha.Effects.Skip(before).Count(e => e == EffectKind.SendResyncData));
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("resync done as source, 40960 bytes", StringComparison.Ordinal));
    }

    [Fact]
    public void A_forced_Primary_copies_everything_to_a_fresh_peer()
    {
        var cluster = new ClusterHarness();
        cluster.StartBoth();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary, force: true).ExitCode);
        ClientRequest write = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(write);
        Assert.Contains(cluster.Beta.Log, line => line.Contains("TargetFull", StringComparison.Ordinal));
    }

    [Fact]
    public void Writes_during_the_resync_win_over_its_data()
    {
        ClusterHarness cluster = WithMissedWrites(40);
        cluster.IsNetworkUp = true;
        List<ClientRequest> writes = [];
        for (int i = 0; cluster.StepOnce(); i++)
        {
            if (i % 3 == 0 && writes.Count < 120)
                writes.Add(cluster.Write(cluster.Alpha, writes.Count % 60 * 4L * Block.Size));
        }

        Assert.All(writes, w => Assert.True(w.IsAcknowledged));
        cluster.AssertInSync();
        foreach (ClientRequest last in writes.GroupBy(w => w.Range.Offset).Select(g => g.Last()))
        {
            cluster.Alpha.AssertHolds(last);
            cluster.Beta.AssertHolds(last);
        }
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("kill source")]
    [InlineData("kill target")]
    [InlineData("power source")]
    [InlineData("power target")]
    public void A_resync_interrupted_at_any_step_leaves_the_target_unpromotable_and_goes_on_with_what_is_left(string how)
    {
        for (int step = 0; ; step++)
        {
            ClusterHarness cluster = WithMissedWrites(12);
            ClientRequest flush = cluster.Flush(cluster.Alpha);
            cluster.Run();
            Assert.True(flush.IsAcknowledged);
            SparseImage wanted = cluster.Alpha.Disks[0].Cache.Clone();
            cluster.IsNetworkUp = true;
            bool isOver = false;
            for (int i = 0; i < step && !isOver; i++)
                isOver = !cluster.StepOnce();
            if (isOver)
                return;
            cluster.IsNetworkUp = false;
            Interrupt(cluster, how);
            if (cluster.Beta.IsAlive)
                AssertNotPromotableHalfWay(cluster, wanted, step);
            Restart(cluster);
            cluster.IsNetworkUp = true;
            int before = cluster.Alpha.Effects.Count;
            cluster.Run();
            cluster.AssertInSync();
            Assert.Empty(wanted.Differences(cluster.Beta.Disks[0].Cache));
            if (how is "cut" or "kill target" or "power target")
            {
                int sent = cluster.Alpha.Effects.Skip(before).Count(e => e == EffectKind.SendResyncData);
                Assert.True(sent <= 12, $"step {step}: {sent} pieces were sent again");
            }
        }
    }

    private static void Interrupt(ClusterHarness cluster, string how)
    {
        SimulatedNode node = how.EndsWith("source", StringComparison.Ordinal) ? cluster.Alpha : cluster.Beta;
        if (how == "cut")
            cluster.Cut();
        else if (how.StartsWith("kill", StringComparison.Ordinal))
            node.Kill(cluster.Chance);
        else
            node.PowerCut(cluster.Chance);
        cluster.CutSilently();
        cluster.NoticeLinkDown(cluster.Other(node));
        cluster.Run();
    }

    // Before the resync began beta is an honest old copy, and after it a new one; between the two it must not be used.
    private static void AssertNotPromotableHalfWay(ClusterHarness cluster, SparseImage wanted, int step)
    {
        bool isHalfWay = cluster.Beta.Disks[0].Cache.Blocks.Any() && wanted.Differences(cluster.Beta.Disks[0].Cache).Count > 0;
        if (!isHalfWay)
            return;
        Assert.True(cluster.Beta.Status.DiskState(ClusterHarness.Volume0) == DiskState.Inconsistent, $"step {step}");
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    private static void Restart(ClusterHarness cluster)
    {
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            if (node.IsAlive)
                continue;
            node.Start();
            cluster.CommandAndRun(node, OperatorVerb.Connect);
        }
    }

    /// <summary>Hard part 4: the target's flush alone, or the source's alone, clears nothing.</summary>
    [Fact]
    public void A_mark_is_cleared_only_after_both_nodes_flushed()
    {
        ClusterHarness cluster = WithMissedWrites(5);
        cluster.IsNetworkUp = true;
        while (cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.SyncSource
            || !cluster.Alpha.Pending.Exists(o => o.Kind == EffectKind.LocalFlush))
        {
            Assert.True(cluster.StepOnce());
        }

        while (cluster.Deliver(cluster.Beta) || cluster.CompleteOne(cluster.Beta) || cluster.Deliver(cluster.Alpha))
        {
        }

        Assert.Equal(5, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush);
        Assert.Equal(0, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        Assert.Equal(0, cluster.Beta.Disks[0].UnflushedCount);
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>G9: what a full sync has copied before it was interrupted is not copied again.</summary>
    [Fact]
    public void An_interrupted_full_sync_goes_on_with_what_is_left()
    {
        var cluster = new ClusterHarness(s => s with { ResyncWindowBytes = 1 << 20 }, volumeBytes: 128 << 20);
        cluster.StartBoth();
        cluster.Run();
        cluster.Command(cluster.Alpha, OperatorVerb.Primary, force: true);
        while (cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.SyncSource
            || cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf) > 20_000)
        {
            Assert.True(cluster.StepOnce());
        }

        cluster.Cut();
        int before = cluster.Alpha.Effects.Count;
        cluster.Run();
        cluster.AssertInSync();
        int pieces = cluster.Alpha.Effects.Skip(before).Count(e => e == EffectKind.SendResyncData);
        Assert.True(pieces < 400, $"{pieces} pieces of 256 KiB were sent after the interruption");
    }

    /// <summary>G7: whoever forces a half-resynced disk into service makes a split brain; it must be seen as one.</summary>
    [Fact]
    public void A_forced_promotion_of_a_half_resynced_target_is_a_split_brain()
    {
        ClusterHarness cluster = CrashedPrimaryBeingResyncedFromAlpha();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        ClientRequest kept = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(kept.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true).ExitCode);
        cluster.Write(cluster.Beta, 4096);
        cluster.Run();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Equal(ConnectionState.StandAlone, cluster.Beta.Status.ConnectionState(ClusterHarness.PeerOf));
        cluster.Alpha.AssertHolds(kept);
    }

    /// <summary>G7: the end of a resync that only the target knows of does not hide what the source wrote alone afterwards.</summary>
    [Fact]
    public void A_source_that_missed_the_end_of_the_resync_and_went_on_alone_is_never_overwritten_silently()
    {
        ClusterHarness cluster = WithMissedWrites(3);
        cluster.IsNetworkUp = true;
        while (cluster.Beta.Status.DiskState(ClusterHarness.Volume0) != DiskState.Inconsistent)
            Assert.True(cluster.StepOnce());
        while (cluster.Beta.Status.DiskState(ClusterHarness.Volume0) != DiskState.UpToDate)
            Assert.True(cluster.StepOnce());
        cluster.IsNetworkUp = false;
        cluster.Cut();
        ClientRequest alone = cluster.Write(cluster.Alpha, 1 << 20);
        cluster.Run();
        Assert.True(alone.IsAcknowledged);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Beta, 2 << 20);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.Alpha.AssertHolds(alone);
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Contains("split brain", cluster.Alpha.Status.Detail(ClusterHarness.PeerOf), StringComparison.Ordinal);
    }

    // Beta crashed as Primary; alpha was promoted without writing: generations are equal, beta's hot extents are resynced.
    private static ClusterHarness CrashedPrimaryBeingResyncedFromAlpha()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        cluster.Write(cluster.Beta, 0);
        cluster.Run();
        cluster.Beta.Kill();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Beta.Start();
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        while (cluster.Beta.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.SyncTarget)
            Assert.True(cluster.StepOnce());
        return cluster;
    }

    /// <summary>The source loses its disk while the target puts the begin on record: there is no resync, and the target does not say that there is.</summary>
    [Fact]
    public void A_source_that_loses_its_disk_at_the_begin_leaves_no_resync_at_the_target()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        while (cluster.Beta.Status.DiskState(ClusterHarness.Volume0) != DiskState.Inconsistent)
            Assert.True(cluster.StepOnce(), "the resync does not begin");
        cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        while (cluster.Deliver(cluster.Beta))
        {
            // The target hears of it before its own disk is done.
        }

        cluster.Run();
        Assert.Equal(ReplicationState.Established, cluster.Beta.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        Assert.Equal(DiskState.Inconsistent, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        cluster.Alpha.CloseDetached();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
    }
}
