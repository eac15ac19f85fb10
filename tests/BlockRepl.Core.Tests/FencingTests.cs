using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>A Primary that loses its peer, by the policy (G13, hard parts 3 and 21).</summary>
public class FencingTests
{
    private static readonly VolumeNr V = ClusterHarness.Volume0;

    [Theory]
    [InlineData(3, true)]
    [InlineData(4, true)]
    [InlineData(5, true)]
    [InlineData(7, true)]
    [InlineData(6, false)]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(127, false)]
    [InlineData(HandlerOutcome.Broken, false)]
    public void G13_with_resource_and_stonith_nothing_is_answered_before_fence_peer_succeeded(int exitCode, bool succeeds)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        GenerationId before = cluster.Alpha.Metadata[0].Superblock.Current;
        ClientRequest inFlight = cluster.Write(cluster.Alpha, 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        Lose(cluster);
        ClientRequest late = cluster.Write(cluster.Alpha, 8192);
        cluster.Run();
        Assert.False(inFlight.IsAnswered || flush.IsAnswered || late.IsAnswered);
        Assert.Equal(before, cluster.Alpha.Metadata[0].Superblock.Current);
        Assert.Equal("fencing", Assert.Single(cluster.Alpha.Status.Suspended).Word);

        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, exitCode);
        if (succeeds)
        {
            // Not before the generation is durable (I9, hard part 3).
            Assert.False(inFlight.IsAnswered || late.IsAnswered);
            while (!inFlight.IsAnswered)
                Assert.True(cluster.StepOnce());
            Assert.NotEqual(before, cluster.Alpha.Metadata[0].Superblock.Current);
        }

        cluster.Run();
        Assert.Equal(succeeds, inFlight.IsAcknowledged && flush.IsAcknowledged && late.IsAcknowledged);
        Assert.Equal(succeeds, cluster.Alpha.Status.Suspended.IsEmpty);
        Assert.Equal(succeeds, IsKnownOutdated(cluster.Alpha));
        if (!succeeds)
        {
            SuspensionReason reason = Assert.Single(cluster.Alpha.Status.Suspended);
            Assert.Contains("resume-io", reason.Detail, StringComparison.Ordinal);
            Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo).ExitCode);
            Assert.True(inFlight.IsAcknowledged && flush.IsAcknowledged && late.IsAcknowledged);
            Assert.NotEqual(before, cluster.Alpha.Metadata[0].Superblock.Current);
            Assert.False(IsKnownOutdated(cluster.Alpha));
        }

        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
        Assert.False(IsKnownOutdated(cluster.Alpha));
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(5, true)]
    [InlineData(1, false)]
    public void With_resource_only_the_handler_is_called_and_nothing_waits_for_it(int exitCode, bool succeeds)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        ClientRequest inFlight = cluster.Write(cluster.Alpha, 0);
        Lose(cluster);
        ClientRequest late = cluster.Write(cluster.Alpha, 8192);
        cluster.Run();
        Assert.True(inFlight.IsAcknowledged && late.IsAcknowledged);
        Assert.Empty(cluster.Alpha.Status.Suspended);
        Assert.DoesNotContain(cluster.Beta.Handlers, call => call.Kind == HandlerKind.FencePeer);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, exitCode);
        cluster.Run();
        Assert.Equal(succeeds, IsKnownOutdated(cluster.Alpha));
    }

    [Fact]
    public void Without_a_handler_a_stonith_Primary_stays_frozen_and_says_what_is_missing()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Fencing = FencingPolicy.ResourceAndStonith });
        Lose(cluster);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.False(write.IsAnswered);
        Assert.Contains("no fence-peer handler is configured", Assert.Single(cluster.Alpha.Status.Suspended).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void With_dont_care_nobody_is_fenced()
    {
        ClusterHarness cluster = InSync(FencingPolicy.DontCare);
        Lose(cluster);
        Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
        Assert.Empty(cluster.Alpha.Status.Suspended);
    }

    /// <summary>Code 6: two Primaries. What this one has is old as soon as it is Primary no more.</summary>
    [Fact]
    public void A_Primary_that_hears_of_another_Primary_is_Outdated_once_it_is_Primary_no_more()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        Lose(cluster);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 6);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(DiskResult.Io, write.Result);
        Assert.Equal(DiskState.Outdated, cluster.Alpha.Status.DiskState(V));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(DiskState.Outdated, cluster.Alpha.Status.DiskState(V));
    }

    /// <summary>Hard part 21.</summary>
    [Fact]
    public void An_answer_that_comes_after_the_peer_is_back_is_ignored()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        Lose(cluster);
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.False(IsKnownOutdated(cluster.Alpha));
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("ignored", StringComparison.Ordinal));
        cluster.AssertInSync();
    }

    /// <summary>Hard part 21.</summary>
    [Fact]
    public void Hard_part_21_an_answer_to_an_earlier_loss_says_nothing_about_a_later_one()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        Lose(cluster);
        cluster.IsNetworkUp = true;
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        Lose(cluster);
        Assert.Equal(2, cluster.Alpha.Handlers.Count(call => call.Kind == HandlerKind.FencePeer));
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.False(write.IsAnswered);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
    }

    [Fact]
    public void A_frozen_Primary_that_dies_comes_back_Consistent_and_needs_evidence()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        Lose(cluster);
        cluster.RunDisk(cluster.Alpha);
        Assert.False(write.IsAnswered);
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(DiskState.Consistent, cluster.Alpha.Status.DiskState(V));
        CommandTicket promotion = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        Assert.Null(promotion.Result);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 5);
        cluster.Run();
        Assert.Equal(17, promotion.ExitCode);
        Reconnect(cluster);
        cluster.AssertInSync();
    }

    /// <summary>The success outlives the process: who has fenced its peer needs no more evidence.</summary>
    [Fact]
    public void A_Primary_that_had_fenced_its_peer_comes_back_UpToDate()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        Lose(cluster);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(V));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        Assert.Empty(cluster.Alpha.Handlers);
    }

    [Fact]
    public void A_peer_that_is_a_resync_target_needs_no_fence()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith, s => s with { ResyncWindowBytes = 2 << 20 }, 64 << 20);
        Lose(cluster);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        for (int i = 0; i < 30; i++)
        {
            cluster.Write(cluster.Alpha, i * (1L << 20), 1 << 20);
            cluster.Run();
        }

        cluster.IsNetworkUp = true;
        while (cluster.Alpha.Status.ReplicationState(V, ClusterHarness.PeerOf) != ReplicationState.SyncSource)
            Assert.True(cluster.StepOnce());
        Lose(cluster);
        Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.True(IsKnownOutdated(cluster.Alpha));
    }

    /// <summary>From its last message on the target may be UpToDate without the source knowing.</summary>
    [Fact]
    public void G13_a_peer_whose_resync_may_have_ended_is_fenced()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        Lose(cluster);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        cluster.Run();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = true;
        while (StateIn(cluster.Beta.Metadata[0].Superblock) != DiskState.Inconsistent)
            Assert.True(cluster.StepOnce());
        while (StateIn(cluster.Beta.Metadata[0].Superblock) == DiskState.Inconsistent)
            Assert.True(cluster.StepOnce());
        Assert.Equal(DiskState.Inconsistent, cluster.Alpha.Status.PeerDiskState(V, ClusterHarness.PeerOf));
        Lose(cluster);
        ClientRequest write = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.False(write.IsAnswered);
        Assert.Contains(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
    }

    [Fact]
    public void A_Secondary_that_leaves_in_good_order_outdates_itself_and_is_not_fenced()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        ClientRequest before = cluster.Write(cluster.Alpha, 0);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Disconnect).ExitCode);
        ClientRequest after = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.True(before.IsAcknowledged && after.IsAcknowledged);
        Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
        Assert.Equal(DiskState.Outdated, StateIn(cluster.Beta.Metadata[0].Superblock));
        Assert.True(IsKnownOutdated(cluster.Alpha));
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
    }

    /// <summary>A connection that is ended to be made anew is no loss yet; one that does not come back is.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_peer_that_only_negotiates_anew_is_not_fenced(bool comesBack)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        cluster.IsNetworkUp = false;
        cluster.Alpha.Apply(new CoreEvent
        {
            Kind = CoreEventKind.PeerMessage,
            Link = cluster.Link!.Id,
            Subject = new Protocol.GoodbyeMessage(Protocol.GoodbyeReason.Renegotiate, "a disk was attached"),
        });
        cluster.Cut();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
        Assert.False(write.IsAnswered);
        if (comesBack)
        {
            cluster.IsNetworkUp = true;
            cluster.Run();
            Assert.True(write.IsAcknowledged);
            Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
            cluster.AssertInSync();
        }
        else
        {
            cluster.Tick(cluster.Alpha.Settings.TimeoutMs);
            Assert.Contains(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
        }
    }

    /// <summary>A person that resumes answers for the peer; the next loss is judged anew.</summary>
    [Fact]
    public void Resume_io_counts_for_one_loss_only()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        Lose(cluster);
        ClientRequest held = cluster.Write(cluster.Alpha, 0);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.ResumeIo).ExitCode);
        Assert.True(held.IsAcknowledged);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 1);
        cluster.Run();
        Assert.Empty(cluster.Alpha.Status.Suspended);
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
        Lose(cluster);
        ClientRequest next = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.False(next.IsAnswered);
    }

    /// <summary>Handlers that nothing but fencing waits for.</summary>
    internal static HandlerSet Handlers { get; } =
        default(HandlerSet).With(HandlerKind.FencePeer).With(HandlerKind.UnfencePeer).With(HandlerKind.Disconnected);

    internal static ClusterHarness InSync(
        FencingPolicy policy, Func<ResourceSettings, ResourceSettings>? more = null, long volumeBytes = 16 << 20) =>
        ClusterHarness.InSync(
            s => (more ?? (x => x))(s with { Fencing = policy, Handlers = Handlers }), volumeBytes, volumeBytes > 16 << 20 ? 16 : 4);

    internal static void Lose(ClusterHarness cluster)
    {
        cluster.IsNetworkUp = false;
        cluster.Cut();
    }

    internal static void Reconnect(ClusterHarness cluster)
    {
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.Run();
    }

    internal static PeerSlotFlags FlagsOf(SimulatedNode node) =>
        node.Metadata[0].Superblock.Peers[node.Metadata[0].Superblock.FindPeer(node.Settings.Peers[0])].Flags;

    internal static bool IsKnownOutdated(SimulatedNode node) => FlagsOf(node).HasFlag(PeerSlotFlags.PeerOutdated);

    internal static DiskState StateIn(Superblock superblock) =>
        !superblock.Flags.HasFlag(SuperblockFlags.Consistent) ? DiskState.Inconsistent
        : superblock.Flags.HasFlag(SuperblockFlags.Outdated) ? DiskState.Outdated
        : superblock.Flags.HasFlag(SuperblockFlags.WasUpToDate) ? DiskState.UpToDate : DiskState.Consistent;
}
