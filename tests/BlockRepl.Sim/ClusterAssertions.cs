using BlockRepl.Primitives;

namespace BlockRepl.Sim;

/// <summary>What must hold in a cluster that has come to rest.</summary>
public static class ClusterAssertions
{
    /// <summary>Both nodes Connected, UpToDate, idle, byte-identical, without marks and without leaked buffers (G5, G8).</summary>
    public static void AssertInSync(this ClusterHarness cluster)
    {
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.True(node.IsAlive);
            Assert.Equal(ConnectionState.Connected, node.Status.ConnectionState(ClusterHarness.PeerOf));
            Assert.True(node.Status.IsIdle, $"{node.Name} is not idle");
            for (ushort v = 0; v < node.Disks.Length; v++)
            {
                var nr = new VolumeNr(v);
                Assert.Equal(DiskState.UpToDate, node.Status.DiskState(nr));
                Assert.Equal(DiskState.UpToDate, node.Status.PeerDiskState(nr, ClusterHarness.PeerOf));
                Assert.Equal(ReplicationState.Established, node.Status.ReplicationState(nr, ClusterHarness.PeerOf));
                Assert.Equal(0, node.Status.OutOfSyncBlocks(nr, ClusterHarness.PeerOf));
            }
        }

        cluster.AssertIdentical();
        cluster.AssertNothingLeaked();
    }

    /// <summary>The same bytes on both nodes.</summary>
    public static void AssertIdentical(this ClusterHarness cluster)
    {
        for (int v = 0; v < cluster.Alpha.Disks.Length; v++)
            Assert.Empty(cluster.Alpha.Disks[v].Cache.Differences(cluster.Beta.Disks[v].Cache));
    }

    /// <summary>Every buffer is back in its pool.</summary>
    public static void AssertNothingLeaked(this ClusterHarness cluster)
    {
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            Assert.Equal(0, node.Pool.RentedCount);
    }

    /// <summary>The block holds what the write put there.</summary>
    public static void AssertHolds(this SimulatedNode node, ClientRequest write)
    {
        for (long block = write.Range.FirstBlock; block < write.Range.FirstBlock + write.Range.BlockCount; block++)
            Assert.Equal(write.Id, ClusterHarness.IdIn(node.Disks[write.Volume.Value].Cache[block]));
    }
}
