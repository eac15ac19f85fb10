using BlockRepl.Primitives;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.FencingTests;

namespace BlockRepl.Core.Tests;

/// <summary>suspend-io and resume-io (I19).</summary>
public class SuspendIoTests
{
    /// <summary>consistent-snapshots: at the moment of the answer both backing disks hold the same, flushed, and nothing more comes before the resume.</summary>
    [Theory]
    [InlineData(WriteProtocol.A)]
    [InlineData(WriteProtocol.B)]
    [InlineData(WriteProtocol.C)]
    public void I19_when_suspended_under_load_both_disks_are_alike_and_stay_so(WriteProtocol protocol)
    {
        for (ulong seed = 1; seed <= 40; seed++)
        {
            ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = protocol });
            var chance = new Prng(seed);
            List<ClientRequest> before = [];
            List<ClientRequest> after = [];
            CommandTicket? suspension = null;
            for (int i = 0; suspension?.Result is null; i++)
            {
                Assert.True(i < 3_000, "suspend-io is not answered");
                if (chance.OneIn(3) && i < 300)
                {
                    ClientRequest request = chance.OneIn(6)
                        ? cluster.Flush(cluster.Alpha)
                        : cluster.Write(cluster.Alpha, chance.Below(24) * 4096, (1 + chance.Below(2)) * 4096);
                    (suspension is null ? before : after).Add(request);
                }

                if (i == 60)
                    suspension = cluster.Command(cluster.Alpha, OperatorVerb.SuspendIo);
                SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
                if (chance.OneIn(2))
                    cluster.CompleteOne(node);
                else
                    cluster.Deliver(node);
            }

            Assert.Equal(0, suspension.ExitCode);
            Assert.All(before, request => Assert.True(request.IsAnswered));
            Assert.All(after, request => Assert.False(request.IsAnswered));
            for (int round = 0; round < 2; round++)
            {
                cluster.AssertIdentical();
                Assert.Equal((0, 0), (cluster.Alpha.Disks[0].UnflushedCount, cluster.Beta.Disks[0].UnflushedCount));
                Assert.DoesNotContain(cluster.Alpha.Pending, operation => operation.Kind == EffectKind.LocalChange);
                after.Add(cluster.Write(cluster.Alpha, 0));
                cluster.Run();
                cluster.Tick();
                cluster.Run();
                Assert.All(after, request => Assert.False(request.IsAnswered));
            }

            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo).ExitCode);
            Assert.All(after, request => Assert.True(request.IsAcknowledged));

            // In the order in which they came: the last write of the block wins.
            cluster.Alpha.AssertHolds(after[^1]);
            cluster.AssertInSync();
        }
    }

    [Fact]
    public void The_reason_is_shown_and_is_gone_after_the_resume()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.SuspendIo);
        Assert.Equal("user", Assert.Single(cluster.Alpha.Status.Suspended).Word);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.SuspendIo).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo).ExitCode);
        Assert.Empty(cluster.Alpha.Status.Suspended);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo).ExitCode);
    }

    [Fact]
    public void A_Secondary_has_nothing_to_suspend()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        Assert.Equal(11, cluster.CommandAndRun(cluster.Beta, OperatorVerb.SuspendIo).ExitCode);
    }

    /// <summary>The peer goes at any moment of a suspension: it is answered, what is held stays held, and goes on after the resume.</summary>
    [Theory]
    [InlineData(FencingPolicy.DontCare)]
    [InlineData(FencingPolicy.ResourceOnly)]
    public void A_suspension_survives_the_loss_and_the_return_of_the_peer(FencingPolicy policy)
    {
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = InSync(policy);
            ClientRequest before = cluster.Write(cluster.Alpha, 0);
            ClientRequest flush = cluster.Flush(cluster.Alpha);
            CommandTicket suspension = cluster.Command(cluster.Alpha, OperatorVerb.SuspendIo);
            ClientRequest held = cluster.Write(cluster.Alpha, 0);
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            Lose(cluster);
            cluster.Run();
            Assert.Equal(0, suspension.ExitCode);
            Assert.True(before.IsAcknowledged && flush.IsAcknowledged);
            Assert.False(held.IsAnswered);
            cluster.IsNetworkUp = true;
            cluster.Run();
            Assert.False(held.IsAnswered);
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo);
            Assert.True(held.IsAcknowledged);
            cluster.AssertInSync();
        }
    }

    [Fact]
    public void A_demotion_ends_a_suspension_and_answers_what_is_held_with_an_error()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.SuspendIo);
        ClientRequest held = cluster.Write(cluster.Alpha, 0);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(DiskResult.Io, held.Result);
        Assert.Empty(cluster.Alpha.Status.Suspended);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.AssertInSync();
    }

    [Fact]
    public void A_resume_before_the_suspension_is_over_ends_it_with_11()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        CommandTicket suspension = cluster.Command(cluster.Alpha, OperatorVerb.SuspendIo);
        Assert.Equal(0, cluster.Command(cluster.Alpha, OperatorVerb.ResumeIo).ExitCode);
        cluster.Run();
        Assert.Equal(11, suspension.ExitCode);
        Assert.True(write.IsAcknowledged);
    }

    /// <summary>A frozen Primary that is suspended: the answer of the handler releases what was under way, the resume what was held.</summary>
    [Fact]
    public void A_suspension_waits_for_what_waits_for_a_fence()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        CommandTicket suspension = cluster.Command(cluster.Alpha, OperatorVerb.SuspendIo);
        Lose(cluster);
        cluster.Run();
        Assert.Null(suspension.Result);
        Assert.Equal(["user", "fencing"], cluster.Alpha.Status.Suspended.Select(reason => reason.Word));
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        ClientRequest held = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(0, suspension.ExitCode);
        Assert.True(write.IsAcknowledged);
        Assert.False(held.IsAnswered);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo);
        Assert.True(held.IsAcknowledged);
    }

    /// <summary>A resync that begins by itself, or on somebody's word, would change the Secondary's disk under a snapshot: none does before the resume.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void I19_no_resync_begins_while_suspended(bool byHand)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest refused = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.NoSpace);
        cluster.Run();
        Assert.Equal(DiskResult.NoSpace, refused.Result);
        Assert.Equal(1, VerifyTests.OutOfSync(cluster.Alpha));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.SuspendIo).ExitCode);
        for (int i = 0; i < 30; i++)
        {
            cluster.Tick();
            cluster.Run();
        }

        if (byHand)
        {
            Assert.Equal(11, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.InvalidateRemote).ExitCode);
            Assert.Equal(11, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Invalidate).ExitCode);
        }

        Assert.Equal(1, VerifyTests.OutOfSync(cluster.Alpha));
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo).ExitCode);
        for (int i = 0; i < 30; i++)
        {
            cluster.Tick();
            cluster.Run();
        }

        cluster.AssertInSync();
    }

    /// <summary>The same for a comparison that repairs: what it has sent is stable before the answer, and the rest waits for the resume.</summary>
    [Fact]
    public void I19_a_repair_waits_while_suspended()
    {
        int held = 0;
        for (int steps = 0; steps < 400; steps += 3)
        {
            ClusterHarness cluster = VerifyTests.WithDamage(3, 700, 1500, 2500, 4095);
            VerifyTests.Verify(cluster.Alpha, new VerifyOptions { Repair = true });
            for (int i = 0; i < steps; i++)
                cluster.StepOnce();
            Assert.Equal(0, cluster.CommandAndRunUntilAnswered(cluster.Alpha, OperatorVerb.SuspendIo).ExitCode);
            SparseImage before = cluster.Beta.Disks[0].Stable.Clone();
            cluster.Run();
            Assert.Empty(before.Differences(cluster.Beta.Disks[0].Cache));
            held += VerifyTests.ReportOf(cluster.Alpha).IsRunning ? 1 : 0;
            cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo);
            Assert.Equal(5, VerifyTests.ReportOf(cluster.Alpha).RepairedBlocks);
            cluster.AssertInSync();
        }

        Assert.InRange(held, 1, 134);
    }
}
