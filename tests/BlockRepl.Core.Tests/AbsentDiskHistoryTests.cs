using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.OneHistoryTests;

namespace BlockRepl.Core.Tests;

/// <summary>Whether a promotion beside a disk that is not there goes on with the history of both nodes (G7, docs/decisions/0160).</summary>
public class AbsentDiskHistoryTests
{
    /// <summary>Its peer had gone on with a disk that is not there now, and a person insists (or the peer's daemon has ended since, and does not know any more). What is written beside the older data is another history.</summary>
    [Fact]
    public void A_promotion_beside_an_absent_disk_that_is_newer_makes_it_a_split_brain()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Part(cluster);
        cluster.Write(cluster.Alpha, 0, flags: ChangeFlags.Fua, volume: Served);
        cluster.Run();
        Assert.Equal(PeerSlotFlags.OneHistory, cluster.Alpha.Metadata[Served].Superblock.Peers[0].Flags & PeerSlotFlags.OneHistory);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Alpha, Served);
        cluster.Alpha.CloseDetached();
        Meet(cluster);
        Assert.True(cluster.IsConnected);
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true).ExitCode);
        Part(cluster);
        cluster.Write(cluster.Beta, 4096, volume: Other);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        cluster.Alpha.Attach(Served);
        Meet(cluster);
        AssertSplitBrain(cluster);
    }

    /// <summary>What a node had written beside the absent disk of its peer, which it could not know to be older, counts as its own; until the peer takes over with its consent, and is served from it.</summary>
    [Fact]
    public void What_a_server_had_gone_on_with_alone_belongs_to_the_history_of_the_Primary_that_it_serves()
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Served);
        Part(cluster);
        Meet(cluster);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        ClientRequest before = cluster.Write(cluster.Alpha, 0, flags: ChangeFlags.Fua, volume: Served);
        cluster.Run();
        Assert.Equal(PeerSlotFlags.None, cluster.Alpha.Metadata[Served].Superblock.Peers[0].Flags & PeerSlotFlags.OneHistory);
        HandOver(cluster, cluster.Alpha, cluster.Beta);
        ClientRequest served = cluster.Write(cluster.Beta, 4096, flags: ChangeFlags.Fua, volume: Served);
        cluster.Run();
        Part(cluster);
        ClientRequest alone = cluster.Write(cluster.Beta, 8192, flags: ChangeFlags.Fua, volume: Other);
        cluster.Run();
        Assert.True(served.IsAcknowledged && alone.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        cluster.Beta.CloseDetached();
        cluster.Beta.Attach(Served);
        Meet(cluster);
        cluster.AssertInSync();
        foreach (ClientRequest write in new[] { before, served, alone })
        {
            cluster.Alpha.AssertHolds(write);
            cluster.Beta.AssertHolds(write);
        }
    }

    /// <summary>The peer's disk was compared when the connection was made, and failed since: a promotion beside it goes on with the history of both. After another connection nobody knows what it has.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_promotion_beside_a_disk_that_was_lost_in_this_connection_goes_on_with_one_history(bool isConnectedAnew)
    {
        ClusterHarness cluster = InSync(WriteProtocol.C);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Detach(cluster, cluster.Beta, Other);
        cluster.Beta.CloseDetached();
        if (isConnectedAnew)
        {
            Part(cluster);
            Meet(cluster);
        }

        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        LoseDisk(cluster, cluster.Alpha, Served);
        ClientRequest served = cluster.Write(cluster.Alpha, 0, volume: Served);
        cluster.Run();
        Part(cluster);
        ClientRequest alone = cluster.Write(cluster.Alpha, 4096, flags: ChangeFlags.Fua, volume: Other);
        cluster.Run();
        Assert.True(served.IsAcknowledged && alone.IsAcknowledged);
        Assert.Equal(!isConnectedAnew, (cluster.Alpha.Metadata[Other].Superblock.Peers[0].Flags & PeerSlotFlags.OneHistory) != 0);
        cluster.Beta.Attach(Other);
        ComeBack(cluster, Return.Demoted);
        Meet(cluster);
        if (isConnectedAnew)
        {
            AssertSplitBrain(cluster);
            return;
        }

        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(served);
        cluster.Beta.AssertHolds(alone);
    }
}
