using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.FencingTests;

namespace BlockRepl.Core.Tests;

/// <summary>The handlers beside fence-peer: when they are called, and what waits for them.</summary>
public class HandlerCallTests
{
    private static readonly VolumeNr V = ClusterHarness.Volume0;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Unfence_peer_is_called_when_the_fenced_peer_is_UpToDate_again(bool needsResync)
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.UnfencePeer);
        Lose(cluster);
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
        if (needsResync)
            cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = true;
        while (!cluster.Alpha.Handlers.Exists(call => call.Kind == HandlerKind.UnfencePeer))
            Assert.True(cluster.StepOnce());
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(V));
        cluster.CompleteHandler(cluster.Alpha, HandlerKind.UnfencePeer, 0);
        cluster.Run();
        Assert.False(FlagsOf(cluster.Alpha).HasFlag(PeerSlotFlags.PeerFencing));
        Assert.DoesNotContain(cluster.Beta.Handlers, call => call.Kind == HandlerKind.UnfencePeer);

        // A loss without a fence is no reason to take one away.
        Assert.DoesNotContain(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.UnfencePeer);
    }

    [Fact]
    public void A_fence_that_was_put_up_before_a_crash_is_taken_away_after_it()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceOnly);
        Lose(cluster);
        cluster.Run();
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Run();
        Reconnect(cluster);
        cluster.AssertInSync();
        Assert.Contains(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.UnfencePeer);
    }

    /// <summary>before-resync-target: nothing is overwritten before it agrees, and nothing at all if it does not.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(HandlerOutcome.Broken)]
    public void A_resync_target_asks_before_it_is_overwritten(int exitCode)
    {
        ClusterHarness cluster = InSync(FencingPolicy.DontCare, s => s with { Handlers = s.Handlers.With(HandlerKind.BeforeResyncTarget) });
        Lose(cluster);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Contains(cluster.Beta.Handlers, call => call.Kind == HandlerKind.BeforeResyncTarget);
        Assert.NotEqual(DiskState.Inconsistent, StateIn(cluster.Beta.Metadata[0].Superblock));
        cluster.CompleteHandler(cluster.Beta, HandlerKind.BeforeResyncTarget, exitCode);
        cluster.Run();
        if (exitCode == 0)
        {
            cluster.AssertInSync();
            return;
        }

        Assert.NotEqual(DiskState.Inconsistent, StateIn(cluster.Beta.Metadata[0].Superblock));
        Assert.Equal(ConnectionState.StandAlone, cluster.Beta.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Contains("before-resync-target", cluster.Beta.Status.Detail(ClusterHarness.PeerOf), StringComparison.Ordinal);
        Assert.NotEqual(write.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[0]));
    }

    [Fact]
    public void A_Primary_without_good_data_calls_pri_on_incon_degr_once()
    {
        ClusterHarness cluster = InSync(FencingPolicy.DontCare, s => s with { Handlers = s.Handlers.With(HandlerKind.PriOnInconDegr).With(HandlerKind.LocalIoError) });
        Lose(cluster);
        cluster.Run();
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.DiskFailed, Subject = "pulled out" });
        cluster.Run();
        cluster.Tick();
        Assert.Single(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.PriOnInconDegr);
        Assert.Single(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.LocalIoError);
    }
}
