using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Resyncs as an operator handles them: invalidate, invalidate-remote, pause and resume; and resyncs that begin without a handshake (G7, G9, I2, I10, I12).</summary>
public class ResyncControlTests
{
    private static ReplicationState StateOf(SimulatedNode node) => node.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf);

    private static DiskState DiskOf(SimulatedNode node) => node.Status.DiskState(ClusterHarness.Volume0);

    private static long MarksOf(SimulatedNode node) => node.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf);

    private static ClusterHarness WithData()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        for (int i = 0; i < 6; i++)
            cluster.Write(cluster.Alpha, i * 1L << 20);
        cluster.Run();
        return cluster;
    }

    [Fact]
    public void Invalidate_on_a_Secondary_copies_everything_and_loses_no_write_made_meanwhile()
    {
        ClusterHarness cluster = WithData();
        LinkId link = cluster.Link!.Id;
        CommandTicket command = cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        Assert.Equal(ReplicationState.WFBitMapT, StateOf(cluster.Beta));
        List<ClientRequest> writes = [];
        for (int i = 0; cluster.StepOnce(); i++)
        {
            if (writes.Count < 30)
                writes.Add(cluster.Write(cluster.Alpha, writes.Count % 8 * 1L << 20));
        }

        Assert.Equal(0, command.ExitCode);
        Assert.All(writes, w => Assert.True(w.IsAcknowledged));
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(writes[^1]);
        Assert.Equal(link, cluster.Link!.Id);
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("resync done as source, 16777216 bytes", StringComparison.Ordinal));
    }

    [Fact]
    public void Invalidate_is_done_only_when_the_target_is_durably_Inconsistent()
    {
        ClusterHarness cluster = WithData();
        CommandTicket command = cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        while (command.Result is null)
        {
            Assert.True((cluster.Beta.Metadata[0].Superblock.Flags & SuperblockFlags.Consistent) != 0);
            Assert.True(cluster.StepOnce());
        }

        Assert.Equal(0, command.ExitCode);
        Assert.True((cluster.Beta.Metadata[0].Superblock.Flags & SuperblockFlags.Consistent) == 0);
    }

    [Fact]
    public void Invalidate_is_refused_on_a_Primary_and_where_there_is_nothing_to_copy_from()
    {
        ClusterHarness cluster = WithData();
        Assert.Equal(11, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Invalidate).ExitCode);
        Assert.Equal(11, cluster.CommandAndRun(cluster.Beta, OperatorVerb.InvalidateRemote).ExitCode);
        cluster.AssertInSync();
        var fresh = new ClusterHarness();
        fresh.StartBoth();
        fresh.Run();
        Assert.Equal(11, fresh.CommandAndRun(fresh.Alpha, OperatorVerb.Invalidate).ExitCode);
        Assert.Equal(11, fresh.CommandAndRun(fresh.Alpha, OperatorVerb.InvalidateRemote).ExitCode);
    }

    [Fact]
    public void Invalidate_while_disconnected_makes_a_full_resync_due_across_restarts()
    {
        ClusterHarness cluster = WithData();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Disconnect);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Invalidate).ExitCode);
        Assert.Equal(DiskState.Inconsistent, DiskOf(cluster.Beta));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(DiskState.Inconsistent, DiskOf(cluster.Beta));
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.Run();
        cluster.AssertInSync();
        Assert.Contains(cluster.Beta.Log, line => line.Contains("TargetFull", StringComparison.Ordinal));
    }

    [Fact]
    public void Invalidate_remote_overwrites_the_peer_whatever_its_disk_holds()
    {
        ClusterHarness cluster = WithData();
        var rot = new byte[Block.Size];
        rot.AsSpan().Fill(0xEE);
        cluster.Beta.Disks[0].Cache[256] = rot;
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.InvalidateRemote).ExitCode);
        cluster.AssertInSync();
    }

    [Fact]
    public void Requests_that_cross_end_both_and_change_nothing()
    {
        foreach ((OperatorVerb here, OperatorVerb there) in new[]
        {
            (OperatorVerb.Invalidate, OperatorVerb.Invalidate), (OperatorVerb.InvalidateRemote, OperatorVerb.InvalidateRemote), (OperatorVerb.Invalidate, OperatorVerb.InvalidateRemote),
        })
        {
            ClusterHarness cluster = WithData();
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
            CommandTicket one = cluster.Command(cluster.Alpha, here);
            CommandTicket other = cluster.Command(cluster.Beta, there);
            cluster.Run();
            Assert.Equal((11, 11), (one.ExitCode, other.ExitCode));
            cluster.AssertInSync();
            Assert.DoesNotContain(cluster.Alpha.Log, line => line.Contains("resync begins", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_node_that_asked_to_be_overwritten_cannot_be_promoted_meanwhile()
    {
        ClusterHarness cluster = WithData();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        CommandTicket command = cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        CommandTicket promotion = cluster.Command(cluster.Beta, OperatorVerb.Primary);
        cluster.Run();
        Assert.Equal((0, 17), (command.ExitCode, promotion.ExitCode));
        cluster.AssertInSync();
    }

    [Fact]
    public void A_version_1_peer_is_not_asked()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s.NodeName == "beta" ? s with { NewestProtocol = ProtocolVersion.V1 } : s);
        CommandTicket remote = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.InvalidateRemote);
        CommandTicket local = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Invalidate);
        Assert.Equal((11, 11), (remote.ExitCode, local.ExitCode));
        Assert.Contains("version 1", remote.Result!.Message, StringComparison.Ordinal);
        cluster.AssertInSync();
    }

    /// <summary>G9: whatever ends an invalidation, at whatever step: what is acknowledged stays, and the two become equal again.</summary>
    [Theory]
    [InlineData("cut")]
    [InlineData("kill alpha")]
    [InlineData("kill beta")]
    [InlineData("power alpha")]
    [InlineData("power beta")]
    [InlineData("disk alpha")]
    [InlineData("disk beta")]
    public void G9_an_invalidation_may_be_interrupted_at_any_step(string how)
    {
        for (int step = 0; step < 400; step++)
        {
            ClusterHarness cluster = WithData();
            ClientRequest flush = cluster.Flush(cluster.Alpha);
            cluster.Run();
            Assert.True(flush.IsAcknowledged);
            SparseImage wanted = cluster.Alpha.Disks[0].Cache.Clone();
            CommandTicket command = cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
            bool isOver = false;
            for (int i = 0; i < step && !isOver; i++)
                isOver = !cluster.StepOnce();
            if (isOver)
            {
                Assert.True(step > 30);
                return;
            }

            Interrupt(cluster, how);
            cluster.Run();
            if (cluster.Beta.IsAlive && how != "kill beta" && how != "power beta")
                Assert.True(command.Result is not null, $"step {step}: the command is not answered");
            if (how.StartsWith("disk", StringComparison.Ordinal))
            {
                foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
                    Assert.True(node.Status.IsIdle || DiskOf(node) == DiskState.Failed, $"step {step}");
                continue;
            }

            Restart(cluster);
            cluster.Run();
            cluster.AssertInSync();
            Assert.Empty(wanted.Differences(cluster.Beta.Disks[0].Cache));
        }
    }

    private static void Interrupt(ClusterHarness cluster, string how)
    {
        SimulatedNode node = how.EndsWith("alpha", StringComparison.Ordinal) ? cluster.Alpha : cluster.Beta;
        if (how == "cut")
        {
            cluster.Cut();
        }
        else if (how.StartsWith("disk", StringComparison.Ordinal))
        {
            node.Apply(new CoreEvent { Kind = CoreEventKind.DiskFailed, Subject = "pulled" });
        }
        else
        {
            if (how.StartsWith("kill", StringComparison.Ordinal))
                node.Kill(cluster.Chance);
            else
                node.PowerCut(cluster.Chance);
            cluster.CutSilently();
            cluster.NoticeLinkDown(cluster.Other(node));
        }
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

    /// <summary>
    /// G7: between nodes of one generation the source names the resync before the target hears of it. What it then writes alone has a generation of its own: a target that never heard,
    /// and is promoted, has gone on from the same one, and neither may overwrite the other.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G7_what_a_source_wrote_alone_before_the_target_heard_of_the_resync_is_never_overwritten_silently(bool sourceDies)
    {
        ClusterHarness cluster = WithData();
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        while (cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone)
            Assert.True(cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Alpha) || cluster.Deliver(cluster.Beta));
        cluster.IsNetworkUp = false;
        cluster.Cut();
        if (sourceDies)
        {
            cluster.Alpha.Kill();
            cluster.Alpha.Start();
            cluster.Run();
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        }

        ClientRequest alone = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(alone.IsAcknowledged);
        Assert.Equal(DiskState.UpToDate, DiskOf(cluster.Beta));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Beta, 4096);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        cluster.Alpha.AssertHolds(alone);
        Assert.Equal(ConnectionState.StandAlone, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Contains("split brain", cluster.Alpha.Status.Detail(ClusterHarness.PeerOf), StringComparison.Ordinal);
    }

    /// <summary>And where only the source went on, the target follows it.</summary>
    [Fact]
    public void A_target_that_never_heard_of_the_resync_follows_a_source_that_went_on_alone()
    {
        ClusterHarness cluster = WithData();
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        while (cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone)
            Assert.True(cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Alpha) || cluster.Deliver(cluster.Beta));
        cluster.IsNetworkUp = false;
        cluster.Cut();
        ClientRequest alone = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(alone);
    }

    /// <summary>Pain 8: nothing stays marked while both sides call themselves UpToDate.</summary>
    [Fact]
    public void I10_marks_that_came_to_be_in_sync_are_resynced_by_themselves()
    {
        ClusterHarness cluster = WithData();
        ClientRequest refused = cluster.Write(cluster.Alpha, 8 << 20);
        cluster.RunDiskExcept(cluster.Alpha, EffectKind.LocalChange);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.NoSpace);
        cluster.Run();
        Assert.Equal(DiskResult.NoSpace, refused.Result);
        Assert.Equal(1, MarksOf(cluster.Alpha));
        Assert.NotEmpty(cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[0].Cache));
        LinkId link = cluster.Link!.Id;
        cluster.Tick(300);
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(link, cluster.Link!.Id);
    }

    /// <summary>A pause is durable before it is answered, and both nodes' restarts leave it; so does the resync that ends meanwhile on another volume's word.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G9_a_pause_outlives_the_daemon(bool atTheTarget)
    {
        ClusterHarness cluster = WithData();
        SimulatedNode paused = atTheTarget ? cluster.Beta : cluster.Alpha;
        CommandTicket ticket = cluster.Command(paused, OperatorVerb.PauseSync);
        Assert.Null(ticket.Result);
        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.Kill();
        cluster.Beta.Kill();
        cluster.IsNetworkUp = true;
        cluster.StartBoth();
        cluster.Run();
        Assert.Equal((ReplicationState.PausedSyncS, ReplicationState.PausedSyncT), (StateOf(cluster.Alpha), StateOf(cluster.Beta)));
        Assert.Equal(0, cluster.CommandAndRun(paused, OperatorVerb.ResumeSync).ExitCode);
        cluster.AssertInSync();
        cluster.Alpha.Kill();
        cluster.Beta.Kill();
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.InvalidateRemote);
        cluster.AssertInSync();
    }

    /// <summary>resync-after: while it is another volume's turn the resync stands, on both nodes, and says so; changes are mirrored as in a pause.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_volume_waits_for_its_turn(bool atTheTarget)
    {
        ClusterHarness cluster = WithData();
        SimulatedNode waiting = atTheTarget ? cluster.Beta : cluster.Alpha;
        waiting.Apply(new CoreEvent { Kind = CoreEventKind.ResyncTurn, Number = 1 });
        cluster.Command(cluster.Alpha, OperatorVerb.InvalidateRemote);
        cluster.Run();
        Assert.Equal((ReplicationState.PausedSyncS, ReplicationState.PausedSyncT), (StateOf(cluster.Alpha), StateOf(cluster.Beta)));
        Assert.Contains("resync-after", waiting.Status.Resync(ClusterHarness.Volume0, ClusterHarness.PeerOf)!.Value.WaitingFor, StringComparison.Ordinal);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        waiting.Apply(new CoreEvent { Kind = CoreEventKind.ResyncTurn, Number = 0 });
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(write);
    }

    [Fact]
    public void Pauses_of_both_nodes_add_up_and_outlive_a_reconnect()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(12);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.PauseSync).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.PauseSync).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Equal((ReplicationState.PausedSyncS, ReplicationState.PausedSyncT), (StateOf(cluster.Alpha), StateOf(cluster.Beta)));
        Assert.Equal(12, MarksOf(cluster.Alpha));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeSync);
        Assert.Equal((ReplicationState.PausedSyncS, ReplicationState.PausedSyncT), (StateOf(cluster.Alpha), StateOf(cluster.Beta)));
        cluster.Cut();
        cluster.Run();
        Assert.Equal((ReplicationState.PausedSyncS, ReplicationState.PausedSyncT), (StateOf(cluster.Alpha), StateOf(cluster.Beta)));
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.ResumeSync);
        cluster.AssertInSync();
    }

    /// <summary>resync-write-during-pause: what is written during a pause is mirrored, and if the connection ends it is marked (I2).</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Writes_during_a_pause_are_mirrored_or_marked(bool cut)
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(12);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.PauseSync);
        cluster.IsNetworkUp = true;
        cluster.Run();
        ClientRequest marked = cluster.Write(cluster.Alpha, 0);
        ClientRequest clean = cluster.Write(cluster.Alpha, 1 << 20);
        cluster.Run();
        Assert.True(marked.IsAcknowledged && clean.IsAcknowledged);
        cluster.Beta.AssertHolds(marked);
        cluster.Beta.AssertHolds(clean);
        if (cut)
        {
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
            Assert.Equal(13, MarksOf(cluster.Alpha));
            cluster.IsNetworkUp = true;
        }

        cluster.CommandAndRun(cluster.Beta, OperatorVerb.ResumeSync);
        cluster.AssertInSync();
    }

    /// <summary>A running resync that is paused makes what it has sent stable, and waits.</summary>
    [Fact]
    public void A_pause_in_the_middle_of_a_resync_ends_what_is_on_the_way()
    {
        for (int step = 5; step < 60; step++)
        {
            ClusterHarness cluster = ResyncTests.WithMissedWrites(30, s => s with { ResyncWindowBytes = 1 << 20 });
            cluster.IsNetworkUp = true;
            for (int i = 0; i < step; i++)
                cluster.StepOnce();
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.PauseSync);
            Assert.True(cluster.Alpha.Status.IsIdle && cluster.Beta.Status.IsIdle);
            cluster.AssertNothingLeaked();
            for (int i = 0; i < 60; i++)
            {
                cluster.Tick();
                cluster.Run();
            }

            Assert.True(cluster.IsConnected, "a paused resync is no reason to cut the peer off");
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeSync);
            cluster.AssertInSync();
        }
    }

    [Fact]
    public void Skipping_the_initial_sync_is_answered_when_a_disk_fails_on_the_way()
    {
        foreach (bool here in new[] { true, false })
        {
            var cluster = new ClusterHarness();
            cluster.StartBoth();
            cluster.Run();
            CommandTicket command = cluster.Command(cluster.Alpha, OperatorVerb.SkipInitialSync);
            SimulatedNode failing = here ? cluster.Alpha : cluster.Beta;
            while (!failing.Pending.Exists(o => o.Kind == EffectKind.WriteMetadata))
                Assert.True(cluster.StepOnce());
            cluster.Complete(failing, EffectKind.WriteMetadata, DiskResult.Io);
            cluster.Run();
            Assert.Equal(1, command.ExitCode);
        }
    }
}
