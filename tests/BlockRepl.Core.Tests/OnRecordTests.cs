using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Every possible difference is on record before it can be one (G8, I1, I2, I9, hard parts 1 to 3).</summary>
public class OnRecordTests
{
    private const long Extent = 1L << ActivityLog.ExtentShift;

    [Fact]
    public void The_activity_log_is_durable_before_data_is_written_or_sent()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        Assert.Equal(EffectKind.WriteMetadata, Assert.Single(cluster.Alpha.Pending).Kind);
        Assert.Empty(cluster.Link!.To[1]);
        cluster.CompleteOne(cluster.Alpha);
        Assert.Contains(0u, cluster.Alpha.Metadata[0].ActiveExtents);
        Assert.Equal(EffectKind.LocalChange, Assert.Single(cluster.Alpha.Pending).Kind);
        Assert.Single(cluster.Link.To[1]);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
    }

    [Fact]
    public void Several_activations_share_one_metadata_write()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        ClientRequest[] writes = [.. Enumerable.Range(1, 3).Select(i => cluster.Write(cluster.Alpha, i * Extent))];
        int before = cluster.Alpha.Effects.Count(e => e == EffectKind.WriteMetadata);
        cluster.Run();
        Assert.All(writes, w => Assert.True(w.IsAcknowledged));
        Assert.Equal(before + 1, cluster.Alpha.Effects.Count(e => e == EffectKind.WriteMetadata));
    }

    /// <summary>Hard part 2: an extent leaves the log only when everything in it is stable on both nodes.</summary>
    [Fact]
    public void A_full_log_makes_room_only_after_a_barrier_of_its_own_on_both_nodes()
    {
        ClusterHarness cluster = ClusterHarness.InSync(volumeBytes: 64 << 20, extents: 4);
        for (int i = 0; i < 4; i++)
            cluster.Write(cluster.Alpha, i * Extent);
        cluster.Run();
        Assert.Equal(4, cluster.Alpha.Metadata[0].ActiveExtents.Count);
        ClientRequest fifth = cluster.Write(cluster.Alpha, 4 * Extent);
        Assert.Equal(EffectKind.LocalFlush, Assert.Single(cluster.Alpha.Pending).Kind);
        cluster.RunDisk(cluster.Alpha);
        Assert.Equal(4, cluster.Alpha.Metadata[0].ActiveExtents.Count);
        Assert.DoesNotContain(4u, cluster.Alpha.Metadata[0].ActiveExtents);
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Empty(cluster.Alpha.Pending);
        cluster.Run();
        Assert.True(fifth.IsAcknowledged);
        Assert.Contains(4u, cluster.Alpha.Metadata[0].ActiveExtents);
        Assert.Equal(4, cluster.Alpha.Metadata[0].ActiveExtents.Count);
    }

    [Fact]
    public void An_extent_that_leaves_the_log_while_the_peer_is_gone_leaves_durable_marks()
    {
        ClusterHarness cluster = ClusterHarness.InSync(volumeBytes: 64 << 20, extents: 4);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        for (int i = 0; i < 9; i++)
        {
            cluster.Write(cluster.Alpha, i * Extent);
            cluster.Run();
        }

        for (int i = 0; i < 9; i++)
            Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(i << (ActivityLog.ExtentShift - Block.Shift)), $"extent {i}");
        Assert.True(cluster.Alpha.Metadata[0].MarkedBlocks >= 5);
    }

    /// <summary>Hard part 1: a write that the peer has but may lose is marked when the connection is lost; what it confirmed as stable is not.</summary>
    [Fact]
    public void What_the_peer_has_not_made_stable_becomes_marks_when_the_connection_is_lost()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Flush(cluster.Alpha);
        cluster.Run();
        ClientRequest unstable = cluster.Write(cluster.Alpha, 65536);
        cluster.Run();
        Assert.True(unstable.IsAcknowledged);
        cluster.IsNetworkUp = false;
        GenerationId before = cluster.Alpha.Metadata[0].Superblock.Current;
        cluster.Cut();
        cluster.Beta.PowerCut();
        Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Run();
        Assert.Equal(before, cluster.Alpha.Metadata[0].Superblock.Current);

        cluster.Beta.Start();
        cluster.IsNetworkUp = true;
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(unstable);
    }

    /// <summary>I9, hard part 3: marks and a generation of its own first, then the answer.</summary>
    [Fact]
    public void The_new_generation_is_durable_before_a_write_that_the_peer_lacks_is_answered()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        GenerationId old = cluster.Alpha.Metadata[0].Superblock.Current;
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        while (cluster.Alpha.Pending.Find(o => o.Kind != EffectKind.WriteMetadata) is { } operation)
            cluster.Complete(cluster.Alpha, operation);
        Assert.Null(write.Result);
        Assert.Null(flush.Result);
        PendingOperation metadata = Assert.Single(cluster.Alpha.Pending);
        cluster.Alpha.CarryOutPart(metadata);
        Assert.Null(write.Result);
        cluster.Complete(cluster.Alpha, metadata);
        Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
        Superblock superblock = cluster.Alpha.Metadata[0].Superblock;
        Assert.NotEqual(old, superblock.Current);
        Assert.Equal(old, superblock.Peers[0].BitmapGeneration);
    }

    [Fact]
    public void The_first_write_after_the_peer_is_gone_gets_a_generation_and_later_ones_none()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        GenerationId old = cluster.Alpha.Metadata[0].Superblock.Current;
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.CompleteOne(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange);
        Assert.Null(write.Result);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        GenerationId first = cluster.Alpha.Metadata[0].Superblock.Current;
        Assert.NotEqual(old, first);
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(first, cluster.Alpha.Metadata[0].Superblock.Current);
    }

    [Fact]
    public void No_generation_when_nothing_was_written()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        GenerationId before = cluster.Alpha.Metadata[0].Superblock.Current;
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.Equal(before, cluster.Alpha.Metadata[0].Superblock.Current);
    }

    /// <summary>G7: a barrier that no client waited for is not a divergence.</summary>
    [Fact]
    public void No_generation_when_only_a_barrier_of_its_own_was_under_way()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { EpochAgeMaxMs = 5_000 });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        GenerationId before = cluster.Alpha.Metadata[0].Superblock.Current;
        cluster.Tick(6_000);
        Assert.Contains(cluster.Alpha.Pending, o => o.Kind == EffectKind.LocalFlush);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(before, cluster.Alpha.Metadata[0].Superblock.Current);
        Assert.NotEqual(0, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }

    [Fact]
    public void A_barrier_of_its_own_follows_so_many_writes()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { EpochWritesMax = 20 });
        for (int i = 0; i < 19; i++)
            cluster.Write(cluster.Alpha, i * 4096L);
        cluster.Run();
        Assert.NotEqual(0, cluster.Beta.Disks[0].UnflushedCount);
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(0, cluster.Beta.Disks[0].UnflushedCount);
        Assert.True(cluster.Alpha.Disks[0].UnflushedCount <= 1, "only the write that brought the barrier about may be too young for it");
    }

    [Fact]
    public void A_barrier_of_its_own_follows_the_oldest_unstable_write()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { EpochAgeMaxMs = 5_000 });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Tick(4_000);
        cluster.Run();
        Assert.NotEqual(0, cluster.Beta.Disks[0].UnflushedCount);
        cluster.Tick(1_500);
        cluster.Run();
        Assert.Equal(0, cluster.Beta.Disks[0].UnflushedCount);
    }

    /// <summary>I2: while a resync is being prepared a write is neither mirrored nor lost from the record.</summary>
    [Fact]
    public void A_write_between_connection_and_resync_is_marked_and_resynced()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(2);
        cluster.IsNetworkUp = true;
        while (cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.WFBitMapS)
            Assert.True(cluster.StepOnce());
        ClientRequest write = cluster.Write(cluster.Alpha, 12 * 4096);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
        Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(12));
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(write);
    }

    /// <summary>Two volumes, one of which the peer cannot mirror: the other's stream goes on.</summary>
    [Fact]
    public void A_volume_that_is_not_mirrored_does_not_disturb_its_sibling()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Volumes = ["a", "b"] });
        cluster.Beta.Apply(new CoreEvent { Kind = CoreEventKind.DiskFailed, Volume = new VolumeNr(1), Subject = "pulled out" });
        cluster.Run();
        LinkId link = cluster.Link!.Id;
        for (int i = 0; i < 3; i++)
        {
            Assert.True(Acknowledged(cluster, 1));
            Assert.True(Acknowledged(cluster, 0));
        }

        Assert.Equal(link, cluster.Link!.Id);
        Assert.Empty(cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[0].Cache));
        Assert.NotEqual(0, cluster.Alpha.Status.OutOfSyncBlocks(new VolumeNr(1), ClusterHarness.PeerOf));
    }

    private static bool Acknowledged(ClusterHarness cluster, ushort volume)
    {
        ClientRequest write = cluster.Write(cluster.Alpha, 0, volume: volume);
        cluster.Run();
        return write.IsAcknowledged;
    }
}
