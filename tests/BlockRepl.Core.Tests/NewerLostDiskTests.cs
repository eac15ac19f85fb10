using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>A disk is gone that had something which the peer lacks: neither node is promoted without it, unless a person gives that up (G6).</summary>
public class NewerLostDiskTests
{
    /// <summary>The peer calls itself UpToDate (fencing dont-care), for it does not know; this node does.</summary>
    [Fact]
    public void G6_a_peer_that_the_lost_disk_had_left_behind_does_not_serve_in_its_place()
    {
        ClusterHarness cluster = WithNewerLostDisk(out ClientRequest alone);
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        CommandTicket refused = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
        Assert.Equal(17, refused.ExitCode);
        Assert.Contains("beta, whose data are older", refused.Result!.Message, StringComparison.Ordinal);

        // Nor is it promoted itself: it would serve older data.
        refused = cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        Assert.Equal(17, refused.ExitCode);
        Assert.Contains("had gone on without beta, whose data are older", refused.Result!.Message, StringComparison.Ordinal);
        Assert.Equal(Role.Secondary, cluster.Beta.Core.Role);

        // A forced promotion that comes to nothing gives nothing up.
        cluster.IsNetworkUp = false;
        CommandTicket lost = cluster.Command(cluster.Alpha, OperatorVerb.Primary, force: true);
        cluster.Cut();
        cluster.Run();
        Assert.NotEqual(0, lost.ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);

        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(alone);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
    }

    /// <summary>What a person has invalidated is ahead of nothing.</summary>
    [Fact]
    public void A_peer_is_promoted_beside_a_lost_disk_that_was_invalidated()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Invalidate).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach).ExitCode);
        cluster.Alpha.CloseDetached();
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    /// <summary>The disk failed before it was on record there that it goes on alone; but what was answered early only it has.</summary>
    [Theory]
    [InlineData(WriteProtocol.A, 17)]
    [InlineData(WriteProtocol.C, 0)]
    public void G6_nor_does_one_that_lacks_what_was_answered_early_from_the_lost_disk(WriteProtocol protocol, int exitCode)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings => settings with { Protocol = protocol });
        ClientRequest early = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.Equal(protocol == WriteProtocol.A, early.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.RunDiskUntil(cluster.Alpha, EffectKind.WriteMetadata);
        cluster.Complete(cluster.Alpha, EffectKind.WriteMetadata, DiskResult.Io);
        cluster.Run();
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(protocol == WriteProtocol.A, early.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Alpha.CloseDetached();
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.True(cluster.IsConnected);
        Assert.Equal(exitCode, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        if (exitCode == 0)
            return;
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(early);
    }

    /// <summary>A person who promotes it by force has decided, once and for all: the next promotion needs no force. One that comes to nothing has decided nothing (G6).</summary>
    [Fact]
    public void A_peer_with_older_data_is_promoted_by_force_and_from_then_on_without()
    {
        ClusterHarness cluster = WithNewerLostDisk(out _);
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);

        // The peer has the request, and the answer is lost.
        CommandTicket lost = cluster.Command(cluster.Beta, OperatorVerb.Primary, force: true);
        cluster.DeliverAll(cluster.Alpha);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.NotEqual(0, lost.ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: round == 0).ExitCode);
            ClientRequest write = cluster.Write(cluster.Beta, 4096);
            cluster.Run();
            Assert.True(write.IsAcknowledged);
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        }
    }

    // Alpha has gone on alone, is Secondary, and has no disk any more; the network is up.
    private static ClusterHarness WithNewerLostDisk(out ClientRequest alone)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        alone = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(alone.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach).ExitCode);
        cluster.Alpha.CloseDetached();
        cluster.IsNetworkUp = true;
        return cluster;
    }
}
