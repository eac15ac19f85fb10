using BlockRepl.Core.Tests.Harness;
using BlockRepl.Primitives;

namespace BlockRepl.Core.Tests;

/// <summary>When a client's change is answered (G2, G3, hard part 9).</summary>
public class WriteFateTests
{
    [Fact]
    public void Write_is_acked_only_after_peer_ack_in_protocol_C()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest warm = Warm(cluster);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.Null(write.Result);
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Null(write.Result);
        cluster.RunDisk(cluster.Beta);
        Assert.Null(write.Result);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Equal(DiskResult.Ok, write.Result);
        Assert.True(warm.IsAcknowledged);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(write);
    }

    private static ClientRequest Warm(ClusterHarness cluster)
    {
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        return write;
    }
}
