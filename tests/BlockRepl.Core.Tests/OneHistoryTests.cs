using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>
/// G7: a Primary that was served on one volume and went on with another when it had lost its peer leaves each node ahead on a volume, and no split brain (docs/decisions/0160). Where both nodes were Primary, or the one
/// was Primary again without the newer data, it is one.
/// </summary>
public class OneHistoryTests
{
    internal const ushort Served = 0;
    internal const ushort Other = 1;

    /// <summary>How alpha, the only Primary, comes back as a Secondary with both its disks.</summary>
    public enum Return
    {
        Demoted,
        Killed,
        LostPower,
    }

    [Theory]
    [InlineData(Return.Demoted, true)]
    [InlineData(Return.Demoted, false)]
    [InlineData(Return.Killed, true)]
    [InlineData(Return.LostPower, true)]
    public void Each_volume_is_resynced_from_where_it_went_on(Return how, bool isBetaRestarted)
    {
        (ClusterHarness cluster, ClientRequest served, ClientRequest alone) = Parted(WriteProtocol.C);
        ComeBack(cluster, how);
        if (isBetaRestarted)
        {
            cluster.Beta.Kill();
            cluster.Beta.Start();
            cluster.Command(cluster.Beta, OperatorVerb.Connect);
        }

        Meet(cluster);
        Assert.True(cluster.IsConnected, cluster.Alpha.Status.Detail(ClusterHarness.PeerOf));
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            node.AssertHolds(served);
            node.AssertHolds(alone);
            Assert.All(node.Metadata, static metadata => Assert.Equal(PeerSlotFlags.None, metadata.Superblock.Peers[0].Flags & PeerSlotFlags.OneHistory));
        }

        cluster.AssertInSync();
    }

    /// <summary>It changed nothing, but clients may have been served from it: the changes of one history are not laid over those of another.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_server_that_was_promoted_since_makes_it_a_split_brain(bool isWritten)
    {
        (ClusterHarness cluster, _, _) = Parted(WriteProtocol.C);
        ComeBack(cluster, Return.Demoted);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        if (isWritten)
        {
            cluster.Write(cluster.Beta, 4096, volume: Served);
            cluster.Run();
        }

        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        Meet(cluster);
        AssertSplitBrain(cluster);
    }

    /// <summary>Without a fencing policy a restarted node does not know that it was left behind. What it then writes beside the older data is another history.</summary>
    [Fact]
    public void A_Primary_that_was_promoted_again_without_the_newer_data_makes_it_a_split_brain()
    {
        (ClusterHarness cluster, _, _) = Parted(WriteProtocol.C);
        ComeBack(cluster, Return.Killed);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Alpha, 8192, volume: Other);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Meet(cluster);
        AssertSplitBrain(cluster);
    }

    /// <summary>G4: what the Primary went on with may rest on an answered change that the server never got.</summary>
    [Fact]
    public void A_server_that_lacks_what_was_answered_early_leaves_a_split_brain()
    {
        ClusterHarness cluster = InSync(WriteProtocol.A);
        ClientRequest early = cluster.Write(cluster.Alpha, 0, volume: Served);
        while (early.Result is null)
            Assert.True(cluster.CompleteOne(cluster.Alpha), "nothing answers the write");
        cluster.Flush(cluster.Alpha, Served);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        Assert.Equal("beta", cluster.Alpha.Status.ServedBy(new(Served)));

        // The request to serve comes by, the change does not come to its disk.
        do
            cluster.RunDiskExcept(cluster.Beta, EffectKind.LocalChange);
        while (cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha));

        cluster.Beta.PowerCut();
        Part(cluster);
        cluster.Write(cluster.Alpha, 4096, volume: Other);
        cluster.Run();
        PeerSlotFlags flags = cluster.Alpha.Metadata[Other].Superblock.Peers[0].Flags;
        Assert.Equal(PeerSlotFlags.None, flags & PeerSlotFlags.OneHistory);
    }

    /// <summary>Each takes over from the other while they are connected, and each serves the other on a volume.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Handovers_between_nodes_that_each_lack_a_disk_go_on_with_one_history(bool losePower)
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        LoseDisk(cluster, cluster.Alpha, Served);
        ClientRequest served = cluster.Write(cluster.Alpha, 0, volume: Served);
        cluster.Run();
        Detach(cluster, cluster.Beta, Other);
        ClientRequest alone = cluster.Write(cluster.Alpha, 0, volume: Other);
        cluster.Run();
        HandOver(cluster, cluster.Alpha, cluster.Beta);
        ClientRequest more = cluster.Write(cluster.Beta, 4096, flags: ChangeFlags.Fua, volume: Served);
        cluster.Run();
        HandOver(cluster, cluster.Beta, cluster.Alpha);
        ClientRequest last = cluster.Write(cluster.Alpha, 8192, flags: ChangeFlags.Fua, volume: Other);
        cluster.Run();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            if (losePower)
                node.PowerCut();
            else
                node.Kill();
        }

        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        foreach (ClientRequest write in new[] { more, last }.Concat(losePower ? [] : [served, alone]))
        {
            cluster.Alpha.AssertHolds(write);
            cluster.Beta.AssertHolds(write);
        }
    }

    /// <summary>The server was about to resync the disk that is lost, after a crash, and the resync never began: it had nothing more than that disk had.</summary>
    [Fact]
    public void A_server_that_was_the_source_of_a_resync_which_never_began_goes_on_with_one_history()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        cluster.Write(cluster.Alpha, 0, flags: ChangeFlags.Fua, volume: Served);
        cluster.Run();
        cluster.Alpha.PowerCut();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        while (cluster.Alpha.Status.ReplicationState(new(Served), ClusterHarness.PeerOf) != ReplicationState.WFBitMapT)
            Assert.True(cluster.StepOnce(), "no resync is agreed on");
        Detach(cluster, cluster.Alpha, Served);
        cluster.Alpha.CloseDetached();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        ClientRequest served = cluster.Write(cluster.Alpha, 4096, volume: Served);
        cluster.Run();
        Part(cluster);
        ClientRequest alone = cluster.Write(cluster.Alpha, 4096, flags: ChangeFlags.Fua, volume: Other);
        cluster.Run();
        Assert.True(served.IsAcknowledged && alone.IsAcknowledged);
        ComeBack(cluster, Return.Demoted);
        Meet(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(served);
        cluster.Beta.AssertHolds(alone);
    }

    /// <summary>A failover: whoever was promoted alone goes on with the history of both once its peer is back and has nothing newer.</summary>
    [Fact]
    public void A_Primary_promoted_alone_whose_peer_came_back_goes_on_with_the_history_of_both()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Beta, 0, volume: Other);
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        LoseDisk(cluster, cluster.Beta, Served);
        ClientRequest served = cluster.Write(cluster.Beta, 0, volume: Served);
        cluster.Run();
        Part(cluster);
        ClientRequest alone = cluster.Write(cluster.Beta, 4096, flags: ChangeFlags.Fua, volume: Other);
        cluster.Run();
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        Meet(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(alone);
        cluster.Beta.AssertHolds(served);
    }

    [Fact]
    public void Both_flags_are_needed_and_both_nodes_say_the_same()
    {
        var old = new GenerationFacts
        {
            Node = "alpha",
            Role = Role.Secondary,
            DiskState = DiskState.UpToDate,
            Current = new(0x10),
            Bitmap = GenerationId.None,
            History = [],
            DirtyBlocks = 0,
        };
        GenerationFacts ahead = old with { Current = new(0x50), Bitmap = new(0x10), DirtyBlocks = 3 };
        for (int bits = 0; bits < 4; bits++)
        {
            GenerationFacts mine = ahead with { IsOneHistory = (bits & 1) != 0 };
            GenerationFacts theirs = ahead with { Node = "beta", IsOneHistory = (bits & 2) != 0 };
            bool isOne = mine.IsOneHistory && theirs.IsOneHistory;
            SyncVerdict[] verdicts = ResourceDecision.Decide([(mine, old with { Node = "beta" }), (old, theirs)], SplitBrainPolicies.Default);
            SyncVerdict[] mirrored = ResourceDecision.Decide([(old with { Node = "beta" }, mine), (theirs, old)], SplitBrainPolicies.Default);
            Assert.Equal(isOne ? [SyncResult.SourceBitmap, SyncResult.TargetBitmap] : [SyncResult.SplitBrain, SyncResult.SplitBrain], verdicts.Select(verdict => verdict.Result));
            Assert.Equal(verdicts.Select(verdict => verdict.Mirrored), mirrored.Select(verdict => verdict.Result));

            // A volume that both changed is a split brain whatever is said of the others.
            GenerationFacts both = mine with { Node = "beta", Current = new(0x60) };
            verdicts = ResourceDecision.Decide([(mine, old with { Node = "beta" }), (old, theirs), (mine, both)], SplitBrainPolicies.Default);
            Assert.All(verdicts, static verdict => Assert.Equal(SyncResult.SplitBrain, verdict.Result));
        }
    }

    // Alpha is Primary; beta serves one volume for it, then is lost; alpha goes on with the other.
    private static (ClusterHarness Cluster, ClientRequest Served, ClientRequest Alone) Parted(WriteProtocol protocol)
    {
        ClusterHarness cluster = InSync(protocol);
        LoseDisk(cluster, cluster.Alpha, Served);
        ClientRequest served = cluster.Write(cluster.Alpha, 0, volume: Served);
        cluster.Run();
        Part(cluster);
        ClientRequest alone = cluster.Write(cluster.Alpha, 4096, flags: ChangeFlags.Fua, volume: Other);
        cluster.Run();
        Assert.True(served.IsAcknowledged && alone.IsAcknowledged);
        return (cluster, served, alone);
    }

    internal static ClusterHarness InSync(WriteProtocol protocol)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings => settings with { Volumes = ["postgres", "spool"], Protocol = protocol });
        cluster.Write(cluster.Alpha, 0, volume: Served);
        cluster.Run();
        return cluster;
    }

    internal static void LoseDisk(ClusterHarness cluster, SimulatedNode node, ushort volume)
    {
        cluster.Flush(node, volume);
        cluster.Complete(node, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Run();
        Assert.Equal(cluster.Other(node).Name, node.Status.ServedBy(new(volume)));
    }

    internal static void Detach(ClusterHarness cluster, SimulatedNode node, ushort volume)
    {
        CommandTicket ticket = cluster.Command(node, new OperatorCommand(OperatorVerb.Detach) { Volume = new(volume) });
        cluster.Run();
        Assert.Equal(0, ticket.ExitCode);
    }

    internal static void HandOver(ClusterHarness cluster, SimulatedNode from, SimulatedNode to)
    {
        Assert.Equal(0, cluster.CommandAndRun(from, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(to, OperatorVerb.Primary).ExitCode);
    }

    internal static void Part(ClusterHarness cluster)
    {
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
    }

    internal static void ComeBack(ClusterHarness cluster, Return how)
    {
        if (how == Return.Demoted)
        {
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
            cluster.Alpha.CloseDetached();
            cluster.Alpha.Attach(Served);
            cluster.Run();
            return;
        }

        if (how == Return.Killed)
            cluster.Alpha.Kill();
        else
            cluster.Alpha.PowerCut();
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
    }

    internal static void Meet(ClusterHarness cluster)
    {
        cluster.IsNetworkUp = true;
        cluster.Run();
    }

    internal static void AssertSplitBrain(ClusterHarness cluster)
    {
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.Equal(SyncResult.SplitBrain, node.Status.Verdict(new(Other), ClusterHarness.PeerOf).Result);
            Assert.Equal(ConnectionState.StandAlone, node.Status.ConnectionState(ClusterHarness.PeerOf));
        }
    }
}
