using BlockRepl.Primitives;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.OneHistoryTests;

namespace BlockRepl.Core.Tests;

/// <summary>A Secondary's disk that was not there while its peer was Primary knows that it was left behind, also where nobody fences (G4, G6).</summary>
public class LeftBehindTests
{
    /// <summary>How the daemon of the node lived on between the loss of the disk and its return.</summary>
    public enum Between
    {
        Running,
        Restarted,
    }

    [Theory]
    [InlineData(Between.Running)]
    [InlineData(Between.Restarted)]
    public void G6_a_disk_that_was_detached_beside_a_Primary_is_Outdated_when_it_comes_back_without_it(Between between)
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Detach(cluster, cluster.Beta, Served);
        ClientRequest without = cluster.Write(cluster.Alpha, 0, volume: Served);
        ClientRequest with = cluster.Write(cluster.Alpha, 0, volume: Other);
        cluster.Run();
        Assert.True(without.IsAcknowledged && with.IsAcknowledged);
        Part(cluster);
        ComeBack(cluster, between);

        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(new(Served)));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        FencingTests.Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(without);
        cluster.Beta.AssertHolds(with);
    }

    /// <summary>The disk of a Primary, which its peer serves from then on. Where it failed, and does not take the note, its daemon's memory is all there is (docs/STATUS.md).</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G6_a_disk_that_a_Primary_lost_beside_a_server_is_Outdated_after_a_crash(bool isDetached)
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        cluster.Alpha.TakesLossNote = true;
        if (isDetached)
            Detach(cluster, cluster.Alpha, Served);
        else
            LoseDisk(cluster, cluster.Alpha, Served);
        ClientRequest served = cluster.Write(cluster.Alpha, 0, volume: Served);
        cluster.Run();
        Assert.True(served.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Alpha.Kill();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Run();

        Assert.Equal(DiskState.Outdated, cluster.Alpha.Status.DiskState(new(Served)));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        FencingTests.Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(served);
    }

    /// <summary>It had gone before the peer was Primary, or before the two met.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G6_so_is_one_that_went_before_the_peer_was_Primary(bool isConnectedAnew)
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        if (isConnectedAnew)
        {
            Part(cluster);
            Meet(cluster);
        }

        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Alpha, 0, volume: Served);
        cluster.Run();
        Part(cluster);
        ComeBack(cluster, Between.Running);
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(new(Served)));
    }

    /// <summary>The peer becomes Primary, and writes, while what the metadata said of the disk before is on its way back to it.</summary>
    [Fact]
    public void G6_so_is_one_whose_return_is_on_record_after_the_peer_has_gone_on()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        cluster.Beta.CloseDetached();
        cluster.Beta.Attach(Served);
        CommandTicket promotion = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        for (int round = 0; round < 8; round++)
            Exchange(cluster);
        Assert.Equal(0, promotion.ExitCode);
        ClientRequest without = cluster.Write(cluster.Alpha, 0, volume: Served);
        for (int round = 0; round < 8; round++)
            Exchange(cluster);
        Assert.True(without.IsAcknowledged);
        Part(cluster);
        Assert.Equal(DiskState.Outdated, cluster.Beta.Status.DiskState(new(Served)));
        FencingTests.Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(without);

        // And then it is what any disk is.
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        Part(cluster);
        ComeBack(cluster, Between.Running);
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(new(Served)));
    }

    [Fact]
    public void A_disk_that_was_away_while_nobody_was_Primary_is_what_it_was()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        Part(cluster);
        ComeBack(cluster, Between.Running);
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(new(Served)));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    /// <summary>After a resync it is what any disk is.</summary>
    [Fact]
    public void What_a_resync_has_made_good_is_forgotten()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);

        // First of a disk that comes back under its own Primary.
        Detach(cluster, cluster.Beta, Served);
        HandOver(cluster, cluster.Alpha, cluster.Beta);
        ComeBack(cluster, Between.Running);
        cluster.AssertInSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        Part(cluster);
        ComeBack(cluster, Between.Running);
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(new(Served)));
        Meet(cluster);

        // And then of one that was invalidated.
        Part(cluster);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Invalidate).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        Meet(cluster);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        ComeBack(cluster, Between.Running);
        cluster.AssertInSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        Part(cluster);
        ComeBack(cluster, Between.Running);
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(new(Served)));
    }

    [Fact]
    public void A_disk_that_comes_back_in_the_same_connection_is_judged_by_its_data()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Detach(cluster, cluster.Beta, Served);
        ComeBack(cluster, Between.Running);
        cluster.AssertInSync();
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(new(Served)));
        Part(cluster);
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(new(Served)));
    }

    // All but the metadata of beta.
    private static void Exchange(ClusterHarness cluster)
    {
        cluster.DeliverAll(cluster.Beta);
        cluster.RunDiskExcept(cluster.Beta, EffectKind.WriteMetadata);
        cluster.DeliverAll(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
    }

    private static void ComeBack(ClusterHarness cluster, Between between)
    {
        cluster.Beta.CloseDetached();
        if (between == Between.Running)
        {
            cluster.Beta.Attach(Served);
        }
        else
        {
            cluster.Beta.Kill();
            cluster.Beta.Start();
        }

        cluster.Run();
    }
}
