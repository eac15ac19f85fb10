using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Invariants;

/// <summary>Decisions about peers: from what, by whom, and what is not decided.</summary>
public class DecisionInvariants
{
    /// <summary>I10: equal generations with a mark on either side are a resync, never "in sync".</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void I10_equal_generations_with_marks_are_resynced(bool marksAtPrimary)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(cluster.Alpha.Metadata[0].Superblock.Current, cluster.Beta.Metadata[0].Superblock.Current);
        Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Beta.PowerCut();
        cluster.Beta.Start();
        if (!marksAtPrimary)
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
    }

    /// <summary>I10: a verdict rests on the peer's complete state of this very connection; a disk that came later is compared anew.</summary>
    [Fact]
    public void I10_a_disk_attached_while_connected_is_judged_by_a_new_handshake()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(2);
        cluster.Beta.Kill();
        cluster.Beta.StartDiskless();
        cluster.IsNetworkUp = true;
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        LinkId before = cluster.Link!.Id;
        cluster.Beta.Attach(0);
        cluster.Run();
        Assert.NotEqual(before, cluster.Link!.Id);
        cluster.AssertInSync();
    }

    /// <summary>I11: marks without a generation that they are based on are worth nothing: everything is copied.</summary>
    [Fact]
    public void I11_a_bitmap_that_cannot_be_trusted_is_a_full_resync()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(1);
        cluster.Beta.Kill();
        SimulatedMetadata metadata = cluster.Beta.Metadata[0];
        metadata.Superblock = metadata.Superblock.WithPeer(0, metadata.Superblock.Peers[0] with { Flags = PeerSlotFlags.FullSync });

        // A difference that no mark names: what a lost bitmap may hide.
        cluster.Beta.Disks[0].Cache[700] = [.. Enumerable.Repeat((byte)0xEE, (int)Block.Size)];
        cluster.Beta.Start();
        cluster.IsNetworkUp = true;
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
        Assert.Contains(cluster.Beta.Log, line => line.Contains("TargetFull", StringComparison.Ordinal));
    }

    [Fact]
    public void I11_generations_that_are_only_in_the_history_are_a_full_resync() => Assert.Equal(
        SyncResult.TargetFull,
        SyncDecision.Decide(Facts("alpha", 0x10), Facts("beta", 0x20) with { History = [new(0x30), new(0x10)] }).Result);

    /// <summary>I12: whatever its generations say, an Inconsistent disk is no source.</summary>
    [Fact]
    public void I12_an_Inconsistent_disk_is_never_the_source()
    {
        foreach (GenerationFacts peer in new[]
                 {
                     Facts("beta", 0x20) with { Bitmap = new(0x10), DirtyBlocks = 5 }, Facts("beta", 0x10) with { Bitmap = new(0x50) }, Facts("beta", 0x20) with { History = [new(0x10)] },
                 })
        {
            SyncVerdict verdict = SyncDecision.Decide(Facts("alpha", 0x10), peer with { DiskState = DiskState.Inconsistent });
            Assert.True(verdict.IsSource, verdict.ToString());
        }
    }

    /// <summary>I14: a promotion that asked a peer counts only if the peer answered.</summary>
    [Fact]
    public void I14_a_promotion_whose_question_was_not_answered_does_not_happen()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        CommandTicket ticket = cluster.Command(cluster.Beta, OperatorVerb.Primary);
        cluster.RunDisk(cluster.Beta);
        Assert.Null(ticket.Result);
        Assert.Equal(Role.Secondary, cluster.Beta.Core.Role);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(11, ticket.Result!.ExitCode);
        Assert.Equal(Role.Secondary, cluster.Beta.Core.Role);
    }

    /// <summary>I15, hard part 20: both asked at once, in any interleaving, at most one is Primary.</summary>
    [Fact]
    public void Hard_part_20_of_two_promotions_at_once_at_most_one_wins()
    {
        for (ulong seed = 1; seed <= 60; seed++)
        {
            var chance = new Prng(seed);
            ClusterHarness cluster = ClusterHarness.InSync();
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
            bool[] isAsked = new bool[2];
            for (int i = 0; i < 80; i++)
            {
                SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
                if (!isAsked[node.Index] && chance.OneIn(3))
                {
                    isAsked[node.Index] = true;
                    cluster.Command(node, OperatorVerb.Primary);
                }
                else if (!cluster.Deliver(node))
                {
                    cluster.CompleteOne(node);
                }

                Assert.False(cluster.Alpha.Core.Role == Role.Primary && cluster.Beta.Core.Role == Role.Primary, $"seed {seed}: two Primaries");
            }

            cluster.Run();
            Assert.True(cluster.IsConnected);
            Assert.True(cluster.Alpha.Core.Role == Role.Primary != (cluster.Beta.Core.Role == Role.Primary), $"seed {seed}: nobody was promoted");
        }
    }

    [Fact]
    public void I15_a_second_Primary_and_stale_data_are_refused()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        Assert.Equal(11, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        var fresh = new ClusterHarness();
        fresh.Alpha.Start();
        fresh.Run();
        Assert.Equal(17, fresh.CommandAndRun(fresh.Alpha, OperatorVerb.Primary).ExitCode);
    }

    /// <summary>Hard part 5: what a Primary wrote, told nobody and never sent is replaced when it returns.</summary>
    [Fact]
    public void Hard_part_05_a_crashed_Primarys_unacknowledged_tail_is_replaced()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest known = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest tail = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange);
        cluster.CutSilently();
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Alpha.AssertHolds(tail);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Beta, 16 * Block.Size);
        cluster.Run();
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(known);
    }

    /// <summary>Hard part 22: a peer that lives and finishes nothing, and one that is silent, hold nobody up for longer than configured.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Hard_part_22_a_frozen_peer_holds_nobody_up_for_ever(bool saysThatItLives)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { KoCount = 2 });
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.IsNetworkUp = false;
        for (int seconds = 0; seconds < 20 && !write.IsAcknowledged; seconds++)
        {
            if (saysThatItLives)
                cluster.DeliverTo(cluster.Alpha, PeerMessageCodec.Encode(new AliveMessage(default)));
            cluster.Tick();
            cluster.RunDisk(cluster.Alpha);
            Assert.True(write.IsAcknowledged || cluster.Alpha.Status.WaitingFor(ClusterHarness.Volume0).Count > 0, "waits for what? (hard part 28)");
        }

        Assert.True(write.IsAcknowledged);
    }

    /// <summary>Hard part 28: while a request has no answer, status says what it waits for, at every step of its way; and nothing afterwards.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Hard_part_28_whatever_waits_says_for_what(bool isPeerThere)
    {
        ClusterHarness cluster = ClusterHarness.InSync(volumeBytes: 64 << 20);
        if (!isPeerThere)
        {
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
        }

        // More extents than the log has, overlapping writes, and a flush behind them.
        ClientRequest[] requests =
        [
            .. Enumerable.Range(0, 7).Select(i => cluster.Write(cluster.Alpha, (long)i << ActivityLog.ExtentShift)),
            cluster.Write(cluster.Alpha, 0), cluster.Flush(cluster.Alpha),
        ];
        HashSet<string> kinds = [];
        do
        {
            bool isWaiting = Array.Exists(requests, request => request.Result is null);
            IReadOnlyList<string> said = cluster.Alpha.Status.WaitingFor(ClusterHarness.Volume0);
            Assert.True(!isWaiting || said.Count > 0, "a request waits, and status does not say for what");
            kinds.UnionWith(said.Select(text => string.Join(' ', text.Split(' ').Where(word => !long.TryParse(word, out _)))));
        }
        while (cluster.StepOnce());

        Assert.All(requests, request => Assert.True(request.IsAcknowledged));
        Assert.Empty(cluster.Alpha.Status.WaitingFor(ClusterHarness.Volume0));
        Assert.Contains("changes wait for room in the activity log", kinds);
        Assert.Contains(isPeerThere ? "writes wait for beta for ms" : "requests wait for a new generation to be durable", kinds);
    }

    /// <summary>Hard part 12: after a failed flush the disk is not asked again, and what waited for it is not told success by it.</summary>
    [Fact]
    public void Hard_part_12_a_failed_flush_is_final_for_the_disk()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Run();
        Assert.False(flush.IsAcknowledged);
        Assert.True(cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) <= DiskState.Failed);
        int flushes = cluster.Alpha.Effects.Count(kind => kind == EffectKind.LocalFlush);
        ClientRequest again = cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.False(again.IsAcknowledged);
        Assert.Equal(flushes, cluster.Alpha.Effects.Count(kind => kind == EffectKind.LocalFlush));
    }

    private static GenerationFacts Facts(string node, ulong current) => new()
    {
        Node = node,
        Role = Role.Secondary,
        DiskState = DiskState.UpToDate,
        Current = new(current),
        Bitmap = GenerationId.None,
        History = [],
        DirtyBlocks = 0,
    };
}
