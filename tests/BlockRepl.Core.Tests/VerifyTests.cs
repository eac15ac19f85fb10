using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Online verify: finds what differs, exactly that, under writes; and stops with the first event that takes its ground away.</summary>
public class VerifyTests
{
    private static readonly VerifyOptions Plain = new();

    internal static CommandTicket Verify(SimulatedNode node, VerifyOptions? options = null)
    {
        var ticket = new CommandTicket();
        node.Apply(new CoreEvent
        {
            Kind = CoreEventKind.Command,
            Subject = new OperatorCommand(OperatorVerb.Verify) { Verify = options ?? Plain },
            Second = ticket,
        });
        return ticket;
    }

    internal static VerifyReport ReportOf(SimulatedNode node) => node.Status.Verify(ClusterHarness.Volume0, ClusterHarness.PeerOf)!;

    internal static long OutOfSync(SimulatedNode node) => node.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf);

    private static ReplicationState StateOf(SimulatedNode node) =>
        node.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf);

    /// <summary>Alpha is Primary with some data; the blocks given are damaged on beta.</summary>
    internal static ClusterHarness WithDamage(params long[] blocks)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Handlers = default(HandlerSet).With(HandlerKind.OutOfSync) });
        for (int i = 0; i < 8; i++)
            cluster.Write(cluster.Alpha, i * 100L * Block.Size, 3 * Block.Size);
        cluster.Run();
        foreach (long block in blocks)
            cluster.Beta.Disks[0].Corrupt(block);
        return cluster;
    }

    [Fact]
    public void Equal_disks_are_found_equal_and_both_nodes_say_how_far_they_are()
    {
        ClusterHarness cluster = WithDamage();
        CommandTicket ticket = Verify(cluster.Alpha);
        Assert.Equal(0, ticket.ExitCode);
        for (int i = 0; i < 60; i++)
            cluster.StepOnce();
        Assert.Equal((ReplicationState.VerifyS, ReplicationState.VerifyT), (StateOf(cluster.Alpha), StateOf(cluster.Beta)));
        Assert.True(ReportOf(cluster.Alpha).IsRunning);
        Assert.InRange(ReportOf(cluster.Alpha).PositionBytes, 1, (16 << 20) - 1);
        cluster.Run();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            VerifyReport report = ReportOf(node);
            Assert.True(report is { IsComplete: true, DifferentBlocks: 0, StartBytes: 0, PositionBytes: 16 << 20, StopBytes: 16 << 20 }, report.ToString());
            Assert.Equal(node == cluster.Alpha, report.IsSource);
        }

        cluster.AssertInSync();
    }

    /// <summary>G5, G8: what differs is found, block for block, and marked durably on the side that is right.</summary>
    [Fact]
    public void G8_Exactly_the_damaged_blocks_are_found_and_marked()
    {
        long[] damaged = [3, 63, 64, 65, 700, 4095];
        ClusterHarness cluster = WithDamage(damaged);
        Verify(cluster.Alpha);
        cluster.Run();
        HandlerCall call = Assert.Single(cluster.Alpha.Handlers);
        Assert.Equal(HandlerKind.OutOfSync, call.Kind);
        Assert.Empty(cluster.Beta.Handlers);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            VerifyReport report = ReportOf(node);
            Assert.Equal((true, 6L), (report.IsComplete, report.DifferentBlocks));
            Assert.Equal(damaged, report.Ranges.SelectMany(r => Enumerable.Range(0, (int)r.BlockCount).Select(i => r.FirstBlock + i)).Order());
            Assert.Equal(6, OutOfSync(node));
        }

        Assert.All(damaged, block => Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(block)));
        Assert.Equal(6, cluster.Alpha.Metadata[0].MarkedBlocks);
        Assert.Equal(0, cluster.Beta.Metadata[0].MarkedBlocks);

        // No resync begins by itself: whoever looks for the cause wants to see the damage.
        for (int i = 0; i < 30; i++)
        {
            cluster.Tick();
            cluster.Run();
        }

        Assert.Equal(6, cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[0].Cache).Count);

        // The next connection resyncs them from the Primary.
        cluster.Cut();
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>Pain 10: writes under way during the comparison never look like differences, and do not hide any.</summary>
    [Fact]
    public void Under_random_writes_exactly_the_damaged_blocks_are_found()
    {
        for (ulong seed = 1; seed <= 40; seed++)
        {
            var chance = new Prng(seed);
            long[] damaged = [130, 131, 401, 2000];
            ClusterHarness cluster = WithDamage(damaged);
            bool repair = chance.OneIn(2);
            Verify(cluster.Alpha, new VerifyOptions { Repair = repair });
            for (int step = 0; ReportOf(cluster.Alpha).IsRunning; step++)
            {
                Assert.True(step < 100_000, "the comparison does not end");
                bool asks = cluster.Alpha.Unanswered.Count < 12;
                if (asks && chance.OneIn(3))
                    cluster.Write(cluster.Alpha, chance.Below(120) * (long)Block.Size, (1 + chance.Below(3)) * Block.Size);
                if (asks && chance.OneIn(9))
                    cluster.Change(cluster.Alpha, ChangeKind.Trim, 200 * Block.Size + chance.Below(100) * 512L, 512 * (1 + chance.Below(20)));
                LetSomethingHappen(cluster, chance);
            }

            cluster.Run();
            VerifyReport report = ReportOf(cluster.Alpha);
            Assert.True(report.IsComplete, $"seed {seed}: {report.Detail}");
            Assert.Equal([new ByteRange(130 * Block.Size, 2 * Block.Size), new(401 * Block.Size, Block.Size), new(2000 * Block.Size, Block.Size)],
                report.Ranges.OrderBy(r => r.Offset));
            Assert.Equal((4, repair ? 4 : 0), (report.DifferentBlocks, report.RepairedBlocks));
            Assert.Equal(repair ? [] : damaged, cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[0].Cache).Order());
            if (repair)
                cluster.AssertInSync();
        }
    }

    /// <summary>A difference that is gone when it is looked at a second time does not count.</summary>
    [Fact]
    public void What_differs_once_and_not_twice_is_no_difference()
    {
        ClusterHarness cluster = WithDamage(5);
        Verify(cluster.Alpha, new VerifyOptions { StopBytes = 64 * Block.Size });
        while (!cluster.Beta.Effects.Contains(EffectKind.VerifyRead))
            Assert.True(cluster.StepOnce());
        cluster.RunDisk(cluster.Beta);
        cluster.Beta.Disks[0].Corrupt(5);
        cluster.Run();
        Assert.True(ReportOf(cluster.Alpha) is { IsComplete: true, DifferentBlocks: 0, StopBytes: 64 * Block.Size });
        cluster.AssertInSync();
    }

    public static TheoryData<string, string> Interruptions() => new()
    {
        { "cut", "connection" }, { "target disk", "Failed" }, { "source disk", "Failed" }, { "kill target", "connection" },
    };

    [Theory]
    [MemberData(nameof(Interruptions))]
    public void A_comparison_interrupted_at_any_step_says_why_and_leaves_nothing_behind(string how, string reason)
    {
        for (int step = 1; ; step += 7)
        {
            ClusterHarness cluster = WithDamage(3, 1000);
            Verify(cluster.Alpha, new VerifyOptions { StopBytes = 1100 * Block.Size });
            cluster.IsNetworkUp = false;
            for (int i = 0; i < step; i++)
                cluster.StepOnce();
            if (!ReportOf(cluster.Alpha).IsRunning)
            {
                Assert.True(step > 20);
                return;
            }

            if (!Interrupt(cluster, how))
                continue;
            cluster.Run();
            VerifyReport report = ReportOf(cluster.Alpha);
            Assert.True(report is { IsRunning: false, IsComplete: false }, $"step {step}: {report}");
            Assert.Contains(reason, report.Detail, StringComparison.OrdinalIgnoreCase);
            cluster.AssertNothingLeaked();
            if (how != "cut")
                continue;
            Assert.False(ReportOf(cluster.Beta) is { IsRunning: true });
            long position = report.PositionBytes;
            cluster.IsNetworkUp = true;
            cluster.Run();
            cluster.Beta.Disks[0].Corrupt(4000);

            // By itself it goes on where it was stopped.
            Assert.Equal(0, Verify(cluster.Alpha).ExitCode);
            cluster.Run();
            report = ReportOf(cluster.Alpha);
            Assert.True(report.IsComplete && report.StartBytes == position && report.Ranges.Any(r => r.FirstBlock == 4000), report.ToString());
        }
    }

    /// <summary>drbd9-tests verify-target-becomes-inconsistent: a resync that begins ends the comparison, and the other way round.</summary>
    [Fact]
    public void A_target_that_becomes_Inconsistent_ends_the_comparison()
    {
        ClusterHarness cluster = WithDamage();
        Verify(cluster.Alpha);
        while (!cluster.Beta.Pending.Exists(o => o.Kind == EffectKind.VerifyRead))
            Assert.True(cluster.StepOnce());
        cluster.Complete(cluster.Beta, EffectKind.VerifyRead, DiskResult.Io);
        cluster.Run();
        Assert.Contains("Failed", ReportOf(cluster.Alpha).Detail, StringComparison.Ordinal);
        cluster.Beta.Kill(cluster.Chance);
        cluster.NoticeLinkDown(cluster.Alpha);
        cluster.Write(cluster.Alpha, 77 * Block.Size);
        cluster.Run();
        cluster.Beta.Start();
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        while (StateOf(cluster.Alpha) != ReplicationState.SyncSource)
            Assert.True(cluster.StepOnce());
        Assert.Equal(11, Verify(cluster.Alpha).ExitCode);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void A_change_of_roles_ends_the_comparison()
    {
        ClusterHarness cluster = WithDamage();
        Verify(cluster.Alpha);
        for (int i = 0; i < 40; i++)
            cluster.StepOnce();
        Assert.Equal(0, cluster.CommandAndRunUntilAnswered(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Run();
        Assert.Contains("became Secondary", ReportOf(cluster.Alpha).Detail, StringComparison.Ordinal);
        Assert.False(ReportOf(cluster.Beta).IsRunning);
        cluster.AssertInSync();
    }

    [Fact]
    public void A_Secondary_asks_the_Primary_to_compare()
    {
        ClusterHarness cluster = WithDamage(9);
        CommandTicket ticket = Verify(cluster.Beta);
        Assert.Null(ticket.Result);
        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
        Assert.True(ReportOf(cluster.Alpha) is { IsSource: true, IsComplete: true, DifferentBlocks: 1 });
        Assert.True(ReportOf(cluster.Beta) is { IsSource: false, IsComplete: true, DifferentBlocks: 1 });
        Assert.Equal(1, cluster.Alpha.Metadata[0].MarkedBlocks);
    }

    [Fact]
    public void A_question_that_the_connection_does_not_survive_is_refused()
    {
        ClusterHarness cluster = WithDamage();
        CommandTicket ticket = Verify(cluster.Beta);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(11, ticket.ExitCode);
    }

    [Fact]
    public void It_is_refused_where_it_cannot_be_done()
    {
        ClusterHarness cluster = WithDamage();
        Assert.Equal(11, Verify(cluster.Alpha, new VerifyOptions { StartBytes = 16 << 20 }).ExitCode);
        Assert.Equal(0, Verify(cluster.Alpha).ExitCode);
        Assert.Contains("is being compared", Verify(cluster.Alpha).Result!.Message, StringComparison.Ordinal);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Contains("Connecting", Verify(cluster.Alpha).Result!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_of_version_1_cannot_be_compared_with()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s.NodeName == "beta" ? s with { NewestProtocol = ProtocolVersion.V1 } : s);
        CommandResult refused = Verify(cluster.Alpha).Result!;
        Assert.Equal(11, refused.ExitCode);
        Assert.Contains("beta speaks version 1", refused.Message, StringComparison.Ordinal);
        cluster.AssertInSync();
    }

    internal static void LetSomethingHappen(ClusterHarness cluster, Prng chance)
    {
        SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
        List<PendingOperation> operations = [.. node.Completable()];
        if (operations.Count > 0 && chance.OneIn(2))
            cluster.Complete(node, operations[chance.Below(operations.Count)]);
        else
            cluster.Deliver(node);
    }

    private static bool Interrupt(ClusterHarness cluster, string how)
    {
        SimulatedNode node = how.StartsWith("source", StringComparison.Ordinal) ? cluster.Alpha : cluster.Beta;
        switch (how)
        {
            case "cut":
                cluster.Cut();
                return true;
            case "kill target":
                cluster.Beta.Kill(cluster.Chance);
                cluster.NoticeLinkDown(cluster.Alpha);
                return true;
            default:
                if (node.Pending.Find(o => o.Kind == EffectKind.VerifyRead) is not { } read)
                    return false;
                cluster.Complete(node, read, DiskResult.Io);
                return true;
        }
    }
}
