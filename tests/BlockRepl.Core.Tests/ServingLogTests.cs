using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Changes that wait for room in a server's activity log while what they wait under comes to its end (G8, I2, G11).</summary>
public class ServingLogTests
{
    private const long Extent = 1L << ActivityLog.ExtentShift;

    /// <summary>
    /// The log has one place: the second change waits. The connection is lost, so the node does not serve any more; but what it changes is still missing from the lost
    /// disk, and the mark in memory alone dies with the process.
    /// </summary>
    [Fact]
    public void G8_a_change_that_waited_for_the_servers_log_is_on_record_though_the_connection_is_lost()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served(extents: 1);
        long[] blocks = [1, 1 + Extent / Block.Size];
        foreach (long block in blocks)
            cluster.Write(cluster.Alpha, block << Block.Shift);
        cluster.DeliverAll(cluster.Beta);
        Assert.DoesNotContain(cluster.Beta.Pending, o => o.Kind == EffectKind.LocalChange);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        do
        {
            // Under way is as good as done: a crash may have done it.
            foreach (long block in blocks)
            {
                bool mayDiffer = !cluster.Beta.Disks[0].Cache.IsHole(block)
                    || cluster.Beta.Pending.Exists(o => o.Kind == EffectKind.LocalChange && o.Request.Range.FirstBlock == block);
                Assert.True(!mayDiffer || cluster.Beta.Metadata[0].IsOnRecord(block), $"block {block} is not on record");
            }
        }
        while (cluster.CompleteOne(cluster.Beta));
        Assert.All(blocks, block => Assert.False(cluster.Beta.Disks[0].Cache.IsHole(block)));
        cluster.Alpha.Kill();
        cluster.Beta.Kill();
        cluster.IsNetworkUp = true;
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>
    /// The node has outdated itself, because it is about to leave, when the Primary whose disk has just failed asks to be served: that is refused, but changes that only this node gets are behind the request in the stream.
    /// </summary>
    [Fact]
    public void G8_a_change_behind_a_request_to_serve_that_is_refused_is_on_record()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Fencing = FencingPolicy.ResourceOnly });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Command(cluster.Beta, OperatorVerb.Disconnect);
        while (cluster.Beta.Status.DiskState(ClusterHarness.Volume0) != DiskState.Outdated)
            Assert.True(cluster.StepOnce());
        cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        const long Cold = Extent / Block.Size;
        ClientRequest write = cluster.Write(cluster.Alpha, Cold << Block.Shift);
        cluster.DeliverAll(cluster.Beta);
        do
        {
            bool mayDiffer = !cluster.Beta.Disks[0].Cache.IsHole(Cold)
                || cluster.Beta.Pending.Exists(o => o.Kind == EffectKind.LocalChange && o.Request.Range.FirstBlock == Cold);
            Assert.True(!mayDiffer || cluster.Alpha.Metadata[0].IsOnRecord(Cold) || cluster.Beta.Metadata[0].IsOnRecord(Cold), "the block is not on record");
        }
        while (cluster.CompleteOne(cluster.Beta));
        Assert.False(cluster.Beta.Disks[0].Cache.IsHole(Cold));
        cluster.Run();
        Assert.False(write.IsAcknowledged);
        cluster.Alpha.Kill();
        cluster.Beta.Kill();
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>A change from before the resync of the returning disk is at the server alone; it waits for the log while everything else is resynced.</summary>
    [Fact]
    public void G5_the_resync_of_a_returning_disk_does_not_end_before_a_change_that_waits_for_the_servers_log()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served(extents: 1);
        cluster.Run();
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        while (!cluster.Alpha.Pending.Exists(o => o.Kind == EffectKind.WriteMetadata && o.Metadata.Superblock is { } s && (s.Flags & SuperblockFlags.Consistent) == 0))
            Assert.True(cluster.StepOnce());
        ClientRequest first = cluster.Write(cluster.Alpha, Block.Size);
        ClientRequest second = cluster.Write(cluster.Alpha, Block.Size + Extent);
        cluster.DeliverAll(cluster.Beta);
        Assert.DoesNotContain(cluster.Beta.Pending, o => o.Kind == EffectKind.LocalChange);
        for (int i = 0; i < 100; i++)
        {
            cluster.RunDisk(cluster.Alpha);
            cluster.RunDiskExcept(cluster.Beta, EffectKind.WriteMetadata);
            cluster.DeliverAll(cluster.Beta);
            cluster.DeliverAll(cluster.Alpha);
        }

        Assert.Equal(ReplicationState.SyncSource, cluster.Beta.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Run();
        Assert.True(first.IsAcknowledged && second.IsAcknowledged);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(first);
        cluster.Alpha.AssertHolds(second);
    }
}
