using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Protocol A over a link that does not keep up: Ahead and Behind (G4, G6, G8, G12, I2; drbd9-tests ahead-behind and protocol-a-io).</summary>
public class CongestionTests
{
    private const int Fill = 8 * Block.Size;

    internal static ResourceSettings PullAhead(ResourceSettings settings) => settings with
    {
        Protocol = WriteProtocol.A,
        OnCongestion = CongestionPolicy.PullAhead,
        CongestionFillBytes = Fill,
    };

    private static ReplicationState StateOf(SimulatedNode node, ushort volume = 0) =>
        node.Status.ReplicationState(new VolumeNr(volume), ClusterHarness.PeerOf);

    private static long Marks(SimulatedNode node) => node.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf);

    /// <summary>Alpha has written twenty blocks of which nothing has arrived yet.</summary>
    private static ClusterHarness Congested(List<ClientRequest> writes, Func<ResourceSettings, ResourceSettings>? settings = null)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings ?? PullAhead);
        for (int i = 0; i < 20; i++)
        {
            writes.Add(cluster.Write(cluster.Alpha, i * 4L * Block.Size));
            cluster.RunDisk(cluster.Alpha);
        }

        return cluster;
    }

    private static void LetPass(ClusterHarness cluster, long milliseconds)
    {
        for (; milliseconds > 0; milliseconds -= 500)
        {
            cluster.Tick(500);
            cluster.Run();
        }
    }

    /// <summary>G12, G8: the writer never waits for the link; what the peer misses is on record before it is answered.</summary>
    [Fact]
    public void G8_A_congested_Primary_pulls_ahead_and_marks_what_the_peer_misses()
    {
        List<ClientRequest> writes = [];
        ClusterHarness cluster = Congested(writes);
        Assert.Equal(ReplicationState.Ahead, StateOf(cluster.Alpha));
        Assert.All(writes, write => Assert.True(write.IsAcknowledged));
        Assert.Equal(20, Marks(cluster.Alpha));
        for (int i = 0; i < 20; i++)
            Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(i * 4));
        cluster.Run();
        Assert.Equal(ReplicationState.Behind, StateOf(cluster.Beta));
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(DiskState.Outdated, cluster.Alpha.Status.PeerDiskState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }

    /// <summary>G4: what is Behind is a point of stream order: everything sent before the Primary pulled ahead, nothing after.</summary>
    [Fact]
    public void G4_A_node_that_is_Behind_holds_a_point_in_stream_order_over_all_volumes()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => PullAhead(s) with { Volumes = ["postgres", "spool"] });
        List<ClientRequest> writes = [];
        for (int i = 0; i < 24; i++)
        {
            writes.Add(cluster.Write(cluster.Alpha, 5 * Block.Size, volume: (ushort)(i % 2)));
            cluster.RunDisk(cluster.Alpha);
        }

        Assert.Equal((ReplicationState.Ahead, ReplicationState.Ahead), (StateOf(cluster.Alpha), StateOf(cluster.Alpha, 1)));
        cluster.Run();
        Assert.Equal((ReplicationState.Behind, ReplicationState.Behind), (StateOf(cluster.Beta), StateOf(cluster.Beta, 1)));

        // The eighth write filled the link; the seventh is the other volume's last.
        Assert.Equal(writes[7].Id, ClusterHarness.IdIn(cluster.Beta.Disks[1].Cache[5]));
        Assert.Equal(writes[6].Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[5]));
    }

    [Fact]
    public void The_peer_catches_up_by_itself_once_the_link_has_drained()
    {
        List<ClientRequest> writes = [];
        ClusterHarness cluster = Congested(writes);
        cluster.Run();
        LetPass(cluster, Congestion.HoldMinMs - 500);
        Assert.Equal(ReplicationState.Ahead, StateOf(cluster.Alpha));
        LetPass(cluster, 1_000);
        cluster.AssertInSync();
        foreach (ClientRequest write in writes)
            cluster.Beta.AssertHolds(write);
    }

    /// <summary>No flapping: who falls behind again soon stays there twice as long, and the writer still does not wait.</summary>
    [Fact]
    public void Falling_behind_again_soon_takes_longer_each_time()
    {
        ClusterHarness cluster = ClusterHarness.InSync(PullAhead);
        long last = 0;
        for (int round = 0; round < 4; round++)
        {
            for (int i = 0; i < 12; i++)
            {
                Assert.False(cluster.Write(cluster.Alpha, i * 4L * Block.Size).IsAcknowledged);
                cluster.RunDisk(cluster.Alpha);
            }

            Assert.Equal(ReplicationState.Ahead, StateOf(cluster.Alpha));
            cluster.Run();
            long since = cluster.NowMs;
            while (StateOf(cluster.Alpha) == ReplicationState.Ahead)
                LetPass(cluster, 500);
            long behind = cluster.NowMs - since;
            Assert.True(behind >= Congestion.HoldMinMs << round && behind > last, $"round {round}: {behind} ms");
            last = behind;
            cluster.AssertInSync();
        }

        Assert.Empty(cluster.Alpha.Unanswered);
    }

    /// <summary>G6: the node that is Behind knows it, also after a restart.</summary>
    [Fact]
    public void G6_A_node_that_is_Behind_is_not_promoted_without_force()
    {
        ClusterHarness cluster = Congested([]);
        cluster.Run();
        cluster.IsNetworkUp = false;
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    /// <summary>I2, G8: cut, killed or powerless at any step of falling behind and catching up, the nodes end equal and nothing acknowledged that is on alpha's disk is lost.</summary>
    [Theory]
    [InlineData("cut")]
    [InlineData("kill primary")]
    [InlineData("kill peer")]
    [InlineData("power peer")]
    public void I2_Interrupted_at_any_step_nothing_is_missed(string how)
    {
        for (int step = 0; ; step += 3)
        {
            List<ClientRequest> writes = [];
            ClusterHarness cluster = ClusterHarness.InSync(PullAhead);
            int steps = 0;
            bool isOver = false;
            for (int i = 0; i < 14 && steps < step; i++)
            {
                writes.Add(cluster.Write(cluster.Alpha, i * 4L * Block.Size));
                while (steps < step && cluster.CompleteOne(cluster.Alpha))
                    steps++;
            }

            for (long waited = 0; steps < step && !isOver;)
            {
                if (cluster.StepOnce())
                {
                    steps++;
                    continue;
                }

                isOver = waited > 4_000;
                waited += 1_000;
                cluster.Tick();
            }

            if (isOver)
            {
                Assert.True(step > 60, "the run was too short to mean anything");
                cluster.AssertInSync();
                return;
            }

            Interrupt(cluster, how);
            cluster.Run();
            LetPass(cluster, 6_000);
            cluster.AssertInSync();
            foreach (ClientRequest write in writes.Where(w => w.IsAcknowledged))
                cluster.Beta.AssertHolds(write);
        }
    }

    [Fact]
    public void Without_the_policy_or_with_another_protocol_nothing_is_let_fall_behind()
    {
        foreach (WriteProtocol protocol in new[] { WriteProtocol.A, WriteProtocol.B })
        {
            ClusterHarness cluster = Congested([], s => PullAhead(s) with
            {
                Protocol = protocol,
                OnCongestion = protocol == WriteProtocol.A ? CongestionPolicy.Block : CongestionPolicy.PullAhead,
            });
            Assert.Equal(ReplicationState.Established, StateOf(cluster.Alpha));
            cluster.Run();
            cluster.AssertInSync();
        }
    }

    [Fact]
    public void A_version_1_peer_is_never_let_fall_behind()
    {
        ClusterHarness cluster = Congested([], s => PullAhead(s) with { NewestProtocol = s.NodeName == "beta" ? ProtocolVersion.V1 : ProtocolVersion.V2 });
        Assert.Equal(ReplicationState.Established, StateOf(cluster.Alpha));
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void Too_many_extents_that_wait_for_the_peer_count_as_congestion()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => PullAhead(s) with { CongestionFillBytes = 0, CongestionExtents = 3 });
        for (int i = 0; i < 3; i++)
        {
            cluster.Write(cluster.Alpha, (long)i << ActivityLog.ExtentShift);
            cluster.RunDisk(cluster.Alpha);
            cluster.Tick(300);
        }

        Assert.Equal(ReplicationState.Ahead, StateOf(cluster.Alpha));
    }

    /// <summary>Protocol A promises the local disk: a flush is answered when that is stable, whatever the link does (G1); the peer's part comes with the Primary's own barriers.</summary>
    [Fact]
    public void Protocol_A_answers_writes_and_flushes_without_the_peer()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = WriteProtocol.A });
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
        cluster.Alpha.PowerCut();
        cluster.Alpha.AssertHolds(write);
    }

    /// <summary>Everything that waits says for what and since when (G12, hard part 28).</summary>
    [Fact]
    public void G12_Waiting_requests_say_for_what_and_since_when()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        IReadOnlyList<string> Waits() => cluster.Alpha.Status.WaitingFor(ClusterHarness.Volume0);
        Assert.Empty(Waits());
        cluster.Write(cluster.Alpha, 8 << 20);
        cluster.Tick(300);
        Assert.Equal(["an extent of the activity log: 1 changes, the oldest for 300 ms"], Waits());
        cluster.Complete(cluster.Alpha, EffectKind.WriteMetadata);
        Assert.Equal(["beta: 1 changes, the oldest for 300 ms", "the local disk: 1 changes, the oldest for 300 ms"], Waits());
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange);
        cluster.Flush(cluster.Alpha);
        Assert.Equal(
            ["beta: 1 changes, the oldest for 300 ms", "a flush on beta: 1 changes, the oldest for 0 ms", "a flush of the local disk: 1 changes, the oldest for 0 ms"],
            Waits());
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(["a new generation to be durable: 2 changes, the oldest for 300 ms"], Waits());
        cluster.Run();
        Assert.Empty(Waits());
    }

    private static void Interrupt(ClusterHarness cluster, string how)
    {
        SimulatedNode node = how.EndsWith("primary", StringComparison.Ordinal) ? cluster.Alpha : cluster.Beta;
        if (how == "cut")
        {
            cluster.Cut();
            return;
        }

        if (how == "power peer")
            node.PowerCut(cluster.Chance);
        else
            node.Kill(cluster.Chance);
        cluster.CutSilently();
        cluster.NoticeLinkDown(cluster.Other(node));
        cluster.Run();
        node.Start();
        cluster.Command(node, OperatorVerb.Connect);
    }
}
