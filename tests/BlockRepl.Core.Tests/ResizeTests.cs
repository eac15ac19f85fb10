using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>A volume grows while it is in use (hard parts 14 and 16).</summary>
public class ResizeTests
{
    private const long Old = 16 << 20;
    private const long New = 48 << 20;

    private static long Size(SimulatedNode node) => node.Status.SizeBytes(ClusterHarness.Volume0);

    private static ClusterHarness Grown(long alpha = New, long beta = New)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Alpha.Disks[0].SizeBytes = alpha;
        cluster.Beta.Disks[0].SizeBytes = beta;
        return cluster;
    }

    private static CommandTicket Resize(ClusterHarness cluster, SimulatedNode node, long size = 0, bool assumeEqual = false)
    {
        CommandTicket ticket = Begin(cluster, node, size, assumeEqual);
        cluster.Run();
        return ticket;
    }

    private static CommandTicket Begin(ClusterHarness cluster, SimulatedNode node, long size = 0, bool assumeEqual = false) =>
        cluster.Command(node, new OperatorCommand(OperatorVerb.Resize) { Volume = ClusterHarness.Volume0, SizeBytes = size, AssumeEqual = assumeEqual });

    private static void Garbage(ClusterHarness cluster, SimulatedNode node)
    {
        for (long block = Old >> Block.Shift; block < New >> Block.Shift; block += 5)
        {
            byte[] content = new byte[Block.Size];
            ClusterHarness.Fill(content, cluster.NextNumber());
            node.Disks[0].Cache[block] = content;
        }
    }

    private static void AssertWritable(ClusterHarness cluster, long offset)
    {
        ClientRequest write = cluster.Write(cluster.Alpha, offset);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.AssertHolds(write);
        cluster.Beta.AssertHolds(write);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_both_have_grown_by_zeroes_nothing_is_copied(bool onThePrimary)
    {
        ClusterHarness cluster = Grown();
        Assert.Equal(0, Resize(cluster, onThePrimary ? cluster.Alpha : cluster.Beta).ExitCode);
        Assert.Equal((New, New), (Size(cluster.Alpha), Size(cluster.Beta)));
        Assert.DoesNotContain(cluster.Alpha.Log, line => line.Contains("resync begins", StringComparison.Ordinal));
        cluster.AssertInSync();
        AssertWritable(cluster, New - Block.Size);
        cluster.AssertInSync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void G5_what_is_new_is_resynced_from_the_Primary(bool onThePrimary)
    {
        ClusterHarness cluster = Grown();
        Garbage(cluster, cluster.Beta);
        Assert.Equal(0, Resize(cluster, onThePrimary ? cluster.Alpha : cluster.Beta).ExitCode);
        cluster.Run();
        Assert.Equal((New, New), (Size(cluster.Alpha), Size(cluster.Beta)));
        cluster.AssertInSync();
        AssertWritable(cluster, Old);
        cluster.AssertInSync();
    }

    [Fact]
    public void I17_the_smaller_disk_says_what_is_served()
    {
        ClusterHarness cluster = Grown(beta: 32 << 20);
        CommandTicket refused = Resize(cluster, cluster.Alpha, New);
        Assert.Equal(11, refused.ExitCode);
        Assert.Contains("beta 33554432", refused.Result!.Message, StringComparison.Ordinal);
        Assert.Equal((Old, Old), (Size(cluster.Alpha), Size(cluster.Beta)));
        Assert.Equal(0, Resize(cluster, cluster.Alpha).ExitCode);
        Assert.Equal((32 << 20, 32 << 20), (Size(cluster.Alpha), Size(cluster.Beta)));
        cluster.AssertInSync();
    }

    [Fact]
    public void Smaller_is_refused_and_the_same_is_done_already()
    {
        ClusterHarness cluster = Grown();
        Assert.Equal(11, Resize(cluster, cluster.Alpha, Old - Block.Size).ExitCode);
        Assert.Equal(0, Resize(cluster, cluster.Alpha, Old).ExitCode);
        Assert.Equal(0, Resize(cluster, cluster.Beta, Old + (1 << 20)).ExitCode);
        Assert.Equal((Old + (1 << 20), Old + (1 << 20)), (Size(cluster.Alpha), Size(cluster.Beta)));
        cluster.AssertInSync();
    }

    [Fact]
    public void Without_the_peer_or_with_one_of_version_1_it_is_refused()
    {
        ClusterHarness cluster = Grown();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(11, Resize(cluster, cluster.Alpha).ExitCode);
        cluster = ClusterHarness.InSync(settings => settings with { NewestProtocol = settings.NodeName == "beta" ? ProtocolVersion.V1 : ProtocolVersion.Newest });
        cluster.Alpha.Disks[0].SizeBytes = New;
        CommandTicket refused = Resize(cluster, cluster.Alpha);
        Assert.Equal(11, refused.ExitCode);
        Assert.Contains("version 1", refused.Result!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_asked_at_once_at_most_one_is_done_and_nothing_waits_for_ever()
    {
        ClusterHarness cluster = Grown();
        CommandTicket alpha = Begin(cluster, cluster.Alpha);
        CommandTicket beta = Begin(cluster, cluster.Beta);
        cluster.Run();
        Assert.NotNull(alpha.Result);
        Assert.NotNull(beta.Result);
        Assert.Equal(Size(cluster.Alpha), Size(cluster.Beta));
        Assert.Equal(0, Resize(cluster, cluster.Alpha).ExitCode);
        cluster.AssertInSync();
    }

    public enum Accident
    {
        Cut,
        KillAlpha,
        KillBeta,
        PowerCutAlpha,
        PowerCutBeta,
        PowerCutBoth,
    }

    /// <summary>
    /// Interrupted at every step, by every accident: the nodes meet again, serve the same size, the old or the new one, hold the same bytes, and have every byte that was
    /// acknowledged in what was there before.
    /// </summary>
    [Theory]
    [CombinatorialAccidents]
    public void G9_a_resize_cut_anywhere_goes_on_or_was_never(Accident accident, bool onThePrimary, bool isEqual)
    {
        for (int steps = 0; steps < 40; steps++)
        {
            ClusterHarness cluster = Grown();
            if (!isEqual)
                Garbage(cluster, cluster.Beta);
            ClientRequest before = cluster.Write(cluster.Alpha, 4096, 8192);
            cluster.Run();
            cluster.Flush(cluster.Alpha);
            cluster.Run();
            Begin(cluster, onThePrimary ? cluster.Alpha : cluster.Beta);
            bool more = true;
            for (int i = 0; i < steps && more; i++)
                more = cluster.StepOnce();
            if (Size(cluster.Alpha) == New)
                cluster.Write(cluster.Alpha, New - 8192);
            Happen(cluster, accident);
            cluster.Run();
            foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            {
                if (node.IsAlive)
                    continue;
                node.Start();
                cluster.Command(node, OperatorVerb.Connect);
            }

            for (int i = 0; i < 6; i++)
            {
                cluster.Run();
                cluster.Tick(3_000);
            }

            cluster.Run();
            Assert.Equal(Size(cluster.Alpha), Size(cluster.Beta));
            Assert.Equal(0, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
            if (Size(cluster.Alpha) == New)
                cluster.AssertInSync();
            cluster.Alpha.AssertHolds(before);
            cluster.Beta.AssertHolds(before);
            if (cluster.Alpha.Core.Role != Role.Primary)
                Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
            Assert.Equal(0, Resize(cluster, cluster.Alpha).ExitCode);
            cluster.Run();
            Assert.Equal((New, New), (Size(cluster.Alpha), Size(cluster.Beta)));
            AssertWritable(cluster, New - Block.Size);
            cluster.AssertInSync();
            if (!more)
                return;
        }
    }

    private static void Happen(ClusterHarness cluster, Accident accident)
    {
        switch (accident)
        {
            case Accident.Cut:
                cluster.Cut();
                break;
            case Accident.KillAlpha:
                cluster.Alpha.Kill(cluster.Chance);
                break;
            case Accident.KillBeta:
                cluster.Beta.Kill(cluster.Chance);
                break;
            case Accident.PowerCutAlpha:
                cluster.Alpha.PowerCut(cluster.Chance);
                break;
            case Accident.PowerCutBeta:
                cluster.Beta.PowerCut(cluster.Chance);
                break;
            default:
                cluster.Alpha.PowerCut(cluster.Chance);
                cluster.Beta.PowerCut(cluster.Chance);
                break;
        }
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class CombinatorialAccidentsAttribute : Xunit.Sdk.DataAttribute
    {
        public override IEnumerable<object[]> GetData(System.Reflection.MethodInfo testMethod) =>
            from accident in Enum.GetValues<Accident>()
            from onThePrimary in new[] { true, false }
            from isEqual in new[] { true, false }
            select new object[] { accident, onThePrimary, isEqual };
    }

    /// <summary>Hard part 17: the metadata is being moved when the disk hangs, here or at the peer. Nobody waits for it, and what it brings late means nothing.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_resize_ends_when_the_disk_that_moves_its_metadata_hangs(bool onTheAsker)
    {
        ClusterHarness cluster = Grown();
        SimulatedNode hanging = onTheAsker ? cluster.Alpha : cluster.Beta;
        CommandTicket resize = Begin(cluster, cluster.Alpha);
        while (!hanging.Pending.Exists(static o => o.Kind == EffectKind.GrowDisk))
            Assert.True(cluster.StepOnce());
        PendingOperation late = hanging.Pending.Find(static o => o.Kind == EffectKind.GrowDisk)!;
        hanging.Apply(new CoreEvent { Kind = CoreEventKind.DiskFailed, Volume = ClusterHarness.Volume0, Subject = "hangs" });
        for (int i = 0; i < 50; i++)
        {
            cluster.RunDiskExcept(cluster.Alpha, EffectKind.GrowDisk);
            cluster.RunDiskExcept(cluster.Beta, EffectKind.GrowDisk);
            cluster.DeliverAll(cluster.Alpha);
            cluster.DeliverAll(cluster.Beta);
        }

        // The peer says so itself, and the resize is refused; here it has failed.
        Assert.Equal(onTheAsker ? 1 : 11, resize.ExitCode);
        cluster.Complete(hanging, late, DiskResult.Ok);
        cluster.Run();
        hanging.CloseDetached();
        Assert.Equal(DiskState.Diskless, hanging.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(Old, Size(cluster.Alpha));
        hanging.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
    }
}
