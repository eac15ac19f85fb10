using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Invariants;

/// <summary>What must be on record, and until when. docs/invariants.md says how each of these tests was seen to fail.</summary>
public class OnRecordInvariants
{
    private const long Extent = 1L << ActivityLog.ExtentShift;

    [Fact]
    public void I1_data_is_submitted_nowhere_before_its_extent_is_durable_and_never_if_it_cannot_be()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        PendingOperation log = Assert.Single(cluster.Alpha.Pending);
        Assert.Equal(EffectKind.WriteMetadata, log.Kind);
        Assert.Empty(cluster.Link!.To[1]);
        cluster.Complete(cluster.Alpha, log, DiskResult.Io);
        cluster.Run();
        Assert.DoesNotContain(cluster.Alpha.Effects, kind => kind == EffectKind.LocalChange);
        Assert.Equal(0u, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Cache[0]));
        Assert.True(write.Result is not null);
    }

    /// <summary>I1: a peer whose disk is worse than Inconsistent still gets its marks.</summary>
    [Fact]
    public void I1_a_peer_without_a_usable_disk_still_gets_marks()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Beta.Apply(new CoreEvent { Kind = CoreEventKind.DiskFailed, Volume = ClusterHarness.Volume0, Subject = "pulled out" });
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 5 * Block.Size);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(5));
        Assert.NotEqual(0, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }

    /// <summary>I2, hard part 1: a write issued at any step of a reconnect with a resync, which is then cut at any later moment, is on the peer's stable storage or on record.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(6)]
    public void I2_a_write_at_any_step_of_a_reconnect_is_mirrored_or_marked(int stepsAfterIt)
    {
        for (int step = 0; ; step++)
        {
            ClusterHarness cluster = ResyncTests.WithMissedWrites(2);
            cluster.IsNetworkUp = true;
            for (int i = 0; i < step; i++)
            {
                if (!cluster.StepOnce())
                    return;
            }

            ClientRequest write = cluster.Write(cluster.Alpha, 20 * Block.Size);
            for (int i = 0; i < stepsAfterIt; i++)
                cluster.StepOnce();
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
            Assert.True(write.IsAcknowledged, $"step {step}");
            bool isOnPeer = ClusterHarness.IdIn(cluster.Beta.Disks[0].Stable[20]) == write.Id;
            Assert.True(isOnPeer || cluster.Alpha.Metadata[0].IsOnRecord(20), $"step {step}: neither mirrored nor marked");
            cluster.Beta.PowerCut();
            cluster.Beta.Start();
            cluster.IsNetworkUp = true;
            cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
            cluster.AssertInSync();
            cluster.Beta.AssertHolds(write);
        }
    }

    [Fact]
    public void Hard_part_01_what_the_peer_has_not_confirmed_as_stable_is_marked_when_the_link_is_lost()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Flush(cluster.Alpha);
        cluster.Run();
        ClientRequest written = cluster.Write(cluster.Alpha, 8 * Block.Size);
        cluster.Run();
        Assert.True(written.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Beta.PowerCut();
        cluster.Beta.Start();
        cluster.IsNetworkUp = true;
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(written);
    }

    [Fact]
    public void Hard_part_02_an_extent_leaves_the_log_only_when_it_is_stable_on_both_nodes()
    {
        ClusterHarness cluster = ClusterHarness.InSync(volumeBytes: 64 << 20, extents: 4);
        for (int i = 0; i < 4; i++)
            cluster.Write(cluster.Alpha, i * Extent);
        cluster.Run();
        cluster.Write(cluster.Alpha, 4 * Extent);
        cluster.RunDisk(cluster.Alpha);

        // Stable here, not there: all four must still be named.
        Assert.Equal(0, cluster.Alpha.Disks[0].UnflushedCount);
        Assert.NotEqual(0, cluster.Beta.Disks[0].UnflushedCount);
        Assert.Equal([0u, 1u, 2u, 3u], cluster.Alpha.Metadata[0].ActiveExtents.Order());
        cluster.Run();
        Assert.Contains(4u, cluster.Alpha.Metadata[0].ActiveExtents);
    }

    /// <summary>Hard part 3, I9: whatever the order in which disks finish, no answer precedes the durable generation and mark.</summary>
    [Fact]
    public void Hard_part_03_generation_and_mark_are_durable_before_anything_unconfirmed_is_answered()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        GenerationId old = cluster.Alpha.Metadata[0].Superblock.Current;
        ClientRequest[] requests = [cluster.Write(cluster.Alpha, 0), cluster.Write(cluster.Alpha, Block.Size), cluster.Flush(cluster.Alpha)];
        cluster.IsNetworkUp = false;
        cluster.Cut();
        while (cluster.Alpha.Completable().FirstOrDefault() is { } operation)
        {
            bool isBumped = cluster.Alpha.Metadata[0].Superblock.Current != old;
            Assert.True(isBumped || requests.All(r => r.Result is null), "answered before the generation was durable");
            cluster.Complete(cluster.Alpha, operation);
        }

        Assert.All(requests, r => Assert.True(r.IsAcknowledged));
        Assert.Equal(old, cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration);
        Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(0) && cluster.Alpha.Metadata[0].IsOnRecord(1));
    }

    /// <summary>I9: killed at any moment after an answer, the node comes back with a generation of its own.</summary>
    [Fact]
    public void I9_the_generation_is_durable_before_the_first_write_of_it_is_answered()
    {
        for (int done = 0; ; done++)
        {
            ClusterHarness cluster = ClusterHarness.InSync();
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
            GenerationId old = cluster.Alpha.Metadata[0].Superblock.Current;
            ClientRequest write = cluster.Write(cluster.Alpha, 0);
            bool isOver = false;
            for (int i = 0; i < done && !isOver; i++)
                isOver = !cluster.CompleteOne(cluster.Alpha);
            bool isAnswered = write.IsAcknowledged;
            cluster.Alpha.Kill();
            Assert.True(!isAnswered || cluster.Alpha.Metadata[0].Superblock.Current != old, $"answered after {done} operations, without a generation");
            if (!isOver)
                continue;
            Assert.True(isAnswered);
            return;
        }
    }

    /// <summary>I20: the peer hears of what differs only when this node has it on record, durably.</summary>
    [Fact]
    public void I20_the_peer_hears_of_a_resync_only_after_the_marks_are_durable_here()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(10);
        cluster.IsNetworkUp = true;
        bool isAnnounced = false;
        while (!isAnnounced && cluster.StepOnce())
        {
            isAnnounced = cluster.Link!.To[1].Any(frame => PeerMessageCodec.PeekKind(frame) == FrameKind.SyncBegin);
            long durable = cluster.Alpha.Metadata[0].MarkedBlocks;
            Assert.True(!isAnnounced || durable >= 10, $"announced with {durable} of 10 marks durable");
        }

        Assert.True(isAnnounced);
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>I20, I3: a write that the peer could not do is marked before the answer that passes it.</summary>
    [Theory]
    [InlineData(WriteProtocol.A)]
    [InlineData(WriteProtocol.B)]
    [InlineData(WriteProtocol.C)]
    public void I3_a_write_that_the_peer_could_not_do_is_marked_in_every_protocol(WriteProtocol protocol)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = protocol });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.Equal(0, cluster.Beta.Disks[0].UnflushedCount);
        ClientRequest write = cluster.Write(cluster.Alpha, 2 * Block.Size);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.Complete(cluster.Beta, EffectKind.LocalChange, DiskResult.Io);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(2));
    }

    [Fact]
    public void Hard_part_04_a_mark_is_cleared_only_when_both_sides_hold_the_same_stable_content()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(6);
        cluster.IsNetworkUp = true;
        long before = cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf);
        Assert.Equal(6, before);
        HashSet<long> marked = [];
        while (cluster.StepOnce())
        {
            // From the moment on at which the mark itself is durable; before, the activity log stands for it.
            for (long block = 0; block < 6 * 4; block += 4)
            {
                bool isSame = cluster.Alpha.Disks[0].Stable[block].AsSpan().SequenceEqual(cluster.Beta.Disks[0].Stable[block]);
                bool isMarked = cluster.Alpha.Metadata[0].Read(cluster.Alpha.Disks[0].SizeBytes, Guid.Empty).Bitmaps[0].IsSet(block);
                if (isMarked)
                    marked.Add(block);
                Assert.True(isSame || isMarked || !marked.Contains(block), $"the mark of block {block} is gone, and the two differ on stable storage");
            }
        }

        Assert.Equal(6, marked.Count);
        cluster.AssertInSync();
    }
}
