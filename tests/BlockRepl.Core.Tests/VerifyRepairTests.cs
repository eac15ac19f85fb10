using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>The repair at the end of a comparison: exactly the blocks that differ, from the side that is right, never older than a write.</summary>
public class VerifyRepairTests
{
    private static readonly VerifyOptions Repair = new() { Repair = true };

    private static DiskState DiskOf(SimulatedNode node) => node.Status.DiskState(ClusterHarness.Volume0);

    /// <summary>G5: afterwards the disks are equal and nothing is marked; only what differed was sent, and beta was UpToDate all the time.</summary>
    [Fact]
    public void G5_Repair_restores_the_blocks_that_differ_and_no_others()
    {
        ClusterHarness cluster = VerifyTests.WithDamage(3, 64, 65, 4095);
        SparseImage wanted = cluster.Alpha.Disks[0].Cache.Clone();
        Assert.Equal(0, VerifyTests.Verify(cluster.Alpha, Repair).ExitCode);
        while (cluster.StepOnce())
            Assert.Equal(DiskState.UpToDate, DiskOf(cluster.Beta));
        VerifyReport report = VerifyTests.ReportOf(cluster.Alpha);
        Assert.True(report is { IsComplete: true, DifferentBlocks: 4, RepairedBlocks: 4 }, report.ToString());
        Assert.Contains("alpha is Primary", report.Evidence, StringComparison.Ordinal);
        Assert.Empty(wanted.Differences(cluster.Beta.Disks[0].Cache));
        Assert.Equal(3, cluster.Alpha.Effects.Count(e => e == EffectKind.SendResyncData));
        Assert.Equal(0, cluster.Alpha.Metadata[0].MarkedBlocks);
        cluster.AssertInSync();

        // A mark went only when both sides had the block on stable storage (hard part 4).
        cluster.Beta.PowerCut();
        Assert.Empty(wanted.Differences(cluster.Beta.Disks[0].Cache));
    }

    /// <summary>I4: a write of a block that is being repaired wins, whatever the order of disks and frames.</summary>
    [Fact]
    public void I4_newer_write_wins_over_the_repairs_older_data()
    {
        for (ulong seed = 1; seed <= 60; seed++)
        {
            var chance = new Prng(seed);
            ClusterHarness cluster = VerifyTests.WithDamage(3, 64, 65);
            VerifyTests.Verify(cluster.Alpha, new VerifyOptions { Repair = true, StopBytes = 100 * Block.Size });
            for (int step = 0; VerifyTests.ReportOf(cluster.Alpha).IsRunning; step++)
            {
                Assert.True(step < 20_000, "the repair does not end");
                if (VerifyTests.ReportOf(cluster.Alpha).IsRepairing && cluster.Alpha.Unanswered.Count < 8 && chance.OneIn(3))
                    cluster.Write(cluster.Alpha, (chance.OneIn(2) ? 3 : 64) * (long)Block.Size + 512 * chance.Below(8), 512 * (1 + chance.Below(8)));
                VerifyTests.LetSomethingHappen(cluster, chance);
            }

            cluster.Run();
            Assert.True(VerifyTests.ReportOf(cluster.Alpha).IsComplete, $"seed {seed}");
            cluster.AssertInSync();
        }
    }

    /// <summary>G8, G9: interrupted anywhere, what is not known to be repaired on both disks is still marked, and the next connection repairs it.</summary>
    [Theory]
    [InlineData("cut")]
    [InlineData("kill source")]
    [InlineData("power source")]
    [InlineData("power target")]
    public void G9_A_repair_interrupted_at_any_step_is_taken_up_by_the_next_connection(string how)
    {
        for (int step = 0; ; step++)
        {
            ClusterHarness cluster = VerifyTests.WithDamage(3, 64, 65);
            ClientRequest flush = cluster.Flush(cluster.Alpha);
            cluster.Run();
            Assert.True(flush.IsAcknowledged);
            SparseImage wanted = cluster.Alpha.Disks[0].Cache.Clone();
            VerifyTests.Verify(cluster.Alpha, new VerifyOptions { Repair = true, StopBytes = 100 * Block.Size });
            while (!VerifyTests.ReportOf(cluster.Alpha).IsRepairing)
                Assert.True(cluster.StepOnce());
            for (int i = 0; i < step; i++)
                cluster.StepOnce();
            if (!VerifyTests.ReportOf(cluster.Alpha).IsRunning)
                return;
            Interrupt(cluster, how);
            cluster.Run();
            cluster.AssertInSync();

            // Of a Primary whose host lost power the other side is the better copy as a whole (rule 40): the two are equal, but the damage is on both.
            if (how != "power source")
                Assert.Empty(wanted.Differences(cluster.Beta.Disks[0].Cache));
        }
    }

    [Fact]
    public void A_Primary_is_never_overwritten()
    {
        ClusterHarness cluster = VerifyTests.WithDamage(3);
        CommandResult refused = VerifyTests.Verify(cluster.Alpha, Repair with { RepairFrom = "beta" }).Result!;
        Assert.Equal(11, refused.ExitCode);
        Assert.Contains("alpha is Primary", refused.Message, StringComparison.Ordinal);
        Assert.Equal(11, VerifyTests.Verify(cluster.Beta, Repair with { RepairFrom = "beta" }).ExitCode);
        Assert.Equal(11, VerifyTests.Verify(cluster.Alpha, Repair with { RepairFrom = "gamma" }).ExitCode);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Between_two_Secondaries_the_one_that_was_Primary_last_is_right(bool askBeta)
    {
        ClusterHarness cluster = VerifyTests.WithDamage(3);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        SparseImage wanted = cluster.Alpha.Disks[0].Cache.Clone();
        CommandTicket ticket = VerifyTests.Verify(askBeta ? cluster.Beta : cluster.Alpha, Repair);
        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
        Assert.Contains("alpha was Primary last", VerifyTests.ReportOf(cluster.Beta).Evidence, StringComparison.Ordinal);
        Assert.Empty(wanted.Differences(cluster.Beta.Disks[0].Cache));
        cluster.AssertInSync();
    }

    [Theory]
    [InlineData("alpha")]
    [InlineData("beta")]
    public void Where_nothing_speaks_for_either_side_the_operator_has_to_name_it(string right)
    {
        ClusterHarness cluster = VerifyTests.WithDamage(3);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Cut();
        cluster.Run();
        CommandResult refused = VerifyTests.Verify(cluster.Alpha, Repair).Result!;
        Assert.Equal(11, refused.ExitCode);
        Assert.Contains("--repair=alpha", refused.Hint, StringComparison.Ordinal);

        SimulatedNode source = right == "alpha" ? cluster.Alpha : cluster.Beta;
        SparseImage wanted = source.Disks[0].Cache.Clone();
        CommandTicket ticket = VerifyTests.Verify(cluster.Alpha, Repair with { RepairFrom = right });
        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
        Assert.True(VerifyTests.ReportOf(source) is { IsSource: true, RepairedBlocks: 1 });
        Assert.Empty(wanted.Differences(cluster.Other(source).Disks[0].Cache));
        cluster.AssertInSync();
    }

    /// <summary>What is left of a repair when the other side has become Primary is passed over: it is in use there.</summary>
    [Fact]
    public void Repair_data_that_reaches_a_new_Primary_changes_nothing()
    {
        ClusterHarness cluster = VerifyTests.WithDamage(3);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        VerifyTests.Verify(cluster.Alpha, Repair);
        while (cluster.Beta.Status.Verify(ClusterHarness.Volume0, ClusterHarness.PeerOf) is not { IsRepairing: true })
            Assert.True(cluster.StepOnce());

        // Beta asks and is granted the role while the repair's data waits on the way.
        CommandTicket ticket = cluster.Command(cluster.Beta, OperatorVerb.Primary);
        cluster.Deliver(cluster.Alpha);
        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
        byte[] damaged = cluster.Beta.Disks[0].Cache[3];
        cluster.Beta.Apply(new CoreEvent
        {
            Kind = CoreEventKind.ResyncData,
            Link = cluster.Link!.Id,
            Header = new ChangeHeader(ChangeKind.Zeroes, default, 3 * Block.Size, Block.Size, ChangeFlags.None),
        });
        cluster.Run();
        Assert.Equal(damaged, cluster.Beta.Disks[0].Cache[3]);
        Assert.Equal(ConnectionState.Connected, cluster.Beta.Status.ConnectionState(ClusterHarness.PeerOf));
    }

    private static void Interrupt(ClusterHarness cluster, string how)
    {
        SimulatedNode node = how.EndsWith("source", StringComparison.Ordinal) ? cluster.Alpha : cluster.Beta;
        if (how == "cut")
        {
            cluster.Cut();
            return;
        }

        if (how == "kill source")
            node.Kill(cluster.Chance);
        else
            node.PowerCut(cluster.Chance);
        cluster.CutSilently();
        cluster.NoticeLinkDown(cluster.Other(node));
        cluster.Run();
        node.Start();
        cluster.Command(node, OperatorVerb.Connect);
    }

    /// <summary>A comparison has marked what differs on the Primary; the operator then says that the other node was right. Nothing stays marked, durably.</summary>
    [Fact]
    public void Marks_of_an_earlier_comparison_go_when_the_other_side_repairs()
    {
        ClusterHarness cluster = VerifyTests.WithDamage();
        cluster.Alpha.Disks[0].Corrupt(700);
        VerifyTests.Verify(cluster.Alpha);
        cluster.Run();
        Assert.Equal(1, cluster.Alpha.Metadata[0].MarkedBlocks);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        VerifyTests.Verify(cluster.Alpha, new VerifyOptions { Repair = true, RepairFrom = "beta", StartBytes = 0 });
        cluster.Run();
        Assert.Equal(1, VerifyTests.ReportOf(cluster.Beta).RepairedBlocks);
        Assert.Equal((0L, 0L), (cluster.Alpha.Metadata[0].MarkedBlocks, cluster.Beta.Metadata[0].MarkedBlocks));
        Assert.Equal((0L, 0L), (VerifyTests.OutOfSync(cluster.Alpha), VerifyTests.OutOfSync(cluster.Beta)));
        cluster.AssertInSync();
    }
}
