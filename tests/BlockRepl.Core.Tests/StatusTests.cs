using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>What the nodes tell each other about themselves.</summary>
public class StatusTests
{
    [Fact]
    public void Connected_nodes_come_to_rest()
    {
        var cluster = new ClusterHarness();
        cluster.StartBoth();
        cluster.Run();
        Assert.True(cluster.IsConnected);
        Assert.False(cluster.Deliver(cluster.Alpha) || cluster.Deliver(cluster.Beta));
    }

    [Fact]
    public void A_role_change_reaches_the_peer()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        Assert.Equal(Role.Primary, cluster.Beta.Status.PeerRole(ClusterHarness.PeerOf));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(Role.Secondary, cluster.Beta.Status.PeerRole(ClusterHarness.PeerOf));
    }

    [Fact]
    public void Roles_can_be_swapped_on_a_living_connection()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        for (int i = 0; i < 4; i++)
        {
            SimulatedNode from = i % 2 == 0 ? cluster.Alpha : cluster.Beta;
            ClientRequest write = cluster.Write(from, 0);
            ClientRequest flush = cluster.Flush(from);
            cluster.Run();
            Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
            LinkId link = from.Status.Link(ClusterHarness.PeerOf);
            Assert.Equal(0, cluster.CommandAndRun(from, OperatorVerb.Secondary).ExitCode);
            Assert.Equal(0, cluster.CommandAndRun(cluster.Other(from), OperatorVerb.Primary).ExitCode);
            Assert.Equal(link, from.Status.Link(ClusterHarness.PeerOf));
            cluster.AssertInSync();
        }
    }

    [Fact]
    public void Volumes_are_matched_by_name_whatever_their_numbers()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Volumes = s.NodeName == "alpha" ? ["a", "b"] : ["b", "a"] });
        ClientRequest write = cluster.Write(cluster.Alpha, 8192, volume: 0);
        cluster.Run();
        ClientRequest flush = cluster.Flush(cluster.Alpha, volume: 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
        Assert.Equal(write.Id, ClusterHarness.IdIn(cluster.Beta.Disks[1].Stable[2]));
        Assert.Empty(cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[1].Cache));
    }
}
