using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Invariants;

/// <summary>Order, epochs, and frames that come too late.</summary>
public class OrderInvariants
{
    [Fact]
    public void I6_a_barrier_is_acknowledged_only_after_writes_that_were_held_back_are_done_and_flushed()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();

        // The second overlaps the first, so the Secondary holds it back; the barrier comes behind both.
        ClientRequest first = cluster.Write(cluster.Alpha, 0, 2 * Block.Size);
        ClientRequest held = cluster.Write(cluster.Alpha, Block.Size);
        cluster.RunDisk(cluster.Alpha);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        while (cluster.Beta.Completable().FirstOrDefault() is { } operation)
        {
            Assert.False(IsStableSaid(cluster), "stable was said before everything was");
            Assert.Equal(operation.Kind == EffectKind.LocalFlush, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[1]) == held.Id);
            cluster.Complete(cluster.Beta, operation);
        }

        Assert.True(IsStableSaid(cluster));
        cluster.Beta.PowerCut();
        Assert.Equal(first.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[0]));
        Assert.Equal(held.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[1]));
        Assert.Null(flush.Result);
    }

    /// <summary>I6: what one volume's barrier confirmed says nothing of another's writes.</summary>
    [Fact]
    public void I6_a_barrier_of_one_volume_confirms_no_other()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Volumes = ["a", "b"] });
        ClientRequest onA = cluster.Write(cluster.Alpha, 0);
        ClientRequest onB = cluster.Write(cluster.Alpha, 0, volume: 1);
        cluster.Run();
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.True(onA.IsAcknowledged && onB.IsAcknowledged && flush.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(0, cluster.Alpha.Status.OutOfSyncBlocks(new VolumeNr(0), ClusterHarness.PeerOf));
        Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(new VolumeNr(1), ClusterHarness.PeerOf));
    }

    /// <summary>I7: everything before a new generation is closed when it begins: stable on this node before the generation is durable, and out of the peer's epoch as marks.</summary>
    [Fact]
    public void I7_no_epoch_spans_a_generation_bump()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest before = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(before.IsAcknowledged);
        Assert.NotEqual(0, cluster.Alpha.Disks[0].UnflushedCount);
        GenerationId old = cluster.Alpha.Metadata[0].Superblock.Current;
        cluster.IsNetworkUp = false;
        cluster.Cut();
        ClientRequest after = cluster.Write(cluster.Alpha, Block.Size);
        while (cluster.Alpha.Metadata[0].Superblock.Current == old)
            Assert.True(cluster.CompleteOne(cluster.Alpha), "no new generation");
        Assert.Equal(before.Id, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Stable[0]));
        Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(0));
        cluster.Run();
        Assert.True(after.IsAcknowledged);
        Assert.Equal(2, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }

    [Fact]
    public void Hard_part_07_overlapping_writes_end_alike_in_whatever_order_disks_finish()
    {
        for (ulong seed = 1; seed <= 40; seed++)
        {
            var chance = new Prng(seed);
            ClusterHarness cluster = ClusterHarness.InSync();
            List<ClientRequest> writes = [];
            for (int i = 0; i < 60; i++)
            {
                if (chance.OneIn(2))
                    writes.Add(cluster.Write(cluster.Alpha, chance.Below(4) * (long)Block.Size, Block.Size * (1 + chance.Below(3))));
                SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
                List<PendingOperation> operations = [.. node.Completable()];
                if (operations.Count > 0)
                    cluster.Complete(node, operations[chance.Below(operations.Count)]);
                else
                    cluster.Deliver(node);
            }

            cluster.Run();
            Assert.All(writes, write => Assert.True(write.IsAcknowledged));
            cluster.AssertInSync();
            Assert.Equal(writes[^1].Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[writes[^1].Range.FirstBlock]));
        }
    }

    [Fact]
    public void Hard_part_09_a_flush_covers_every_write_answered_before_it_on_both_nodes()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest[] writes = [.. Enumerable.Range(0, 8).Select(i => cluster.Write(cluster.Alpha, i * 64L * Block.Size))];
        cluster.Run();
        Assert.All(writes, write => Assert.True(write.IsAcknowledged));
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        while (!flush.IsAcknowledged)
            Assert.True(cluster.StepOnce());
        cluster.Alpha.PowerCut();
        cluster.Beta.PowerCut();
        foreach (ClientRequest write in writes)
        {
            cluster.Alpha.AssertHolds(write);
            cluster.Beta.AssertHolds(write);
        }
    }

    [Fact]
    public void Hard_part_09_a_flush_does_not_join_one_that_began_before_the_write_was_done()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Flush(cluster.Alpha);
        PendingOperation running = Assert.Single(cluster.Alpha.Pending);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange);
        cluster.DeliverAll(cluster.Beta);
        cluster.RunDisk(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, running);
        cluster.DeliverAll(cluster.Beta);
        cluster.RunDisk(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.True(!flush.IsAcknowledged || ClusterHarness.IdIn(cluster.Alpha.Disks[0].Stable[0]) == write.Id);
        cluster.Run();
        Assert.True(flush.IsAcknowledged);
    }

    /// <summary>Hard part 10: with protocol B a change is answered when it has arrived. If this node's disk then fails, a read at the peer waits until the change is on the disk there.</summary>
    [Fact]
    public void Hard_part_10_a_read_at_the_peer_sees_a_change_that_was_answered_on_arrival()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = WriteProtocol.B });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
        Assert.NotEqual(write.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[0]));
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.DiskFailed, Volume = ClusterHarness.Volume0, Subject = "pulled out" });
        ClientRead read = cluster.Read(cluster.Alpha, 0);
        bool isMoving = true;
        while (isMoving)
        {
            isMoving = cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha);
            if (!isMoving && cluster.Beta.Completable().FirstOrDefault(o => o.Kind != EffectKind.LocalChange) is { } operation)
            {
                cluster.Complete(cluster.Beta, operation);
                isMoving = true;
            }
        }

        cluster.Run();
        Assert.Equal(DiskResult.Ok, read.Result);
        Assert.Equal(write.Id, read.Id);
    }

    /// <summary>Hard part 11: a completion, an acknowledgement or a message of an earlier link changes nothing.</summary>
    [Fact]
    public void Hard_part_11_frames_of_an_old_link_never_take_effect()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        LinkId old = cluster.Link!.Id;
        cluster.Cut();
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        SequenceNumber far = new(1 << 20);
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.PeerAck, Link = old, Sequence = far, Applied = far });
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.PeerStable, Link = old, Sequence = far });
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.PeerMessage, Link = old, Subject = new WriteFailedMessage(new(1), new(0), new(0, 4096), 5) });
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.LinkDown, Link = old, State = ConnectionState.BrokenPipe, Subject = "" });
        cluster.Beta.Apply(new CoreEvent { Kind = CoreEventKind.PeerChange, Link = old, Sequence = far, Header = new ChangeHeader(ChangeKind.Trim, default, 0, 4096, 0) });
        Assert.Null(write.Result);
        Assert.Null(flush.Result);
        Assert.True(cluster.IsConnected);
        cluster.Run();
        Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(write);
    }

    /// <summary>Hard part 27: a volume that ends inside a block is resynced and compared to its last byte.</summary>
    [Fact]
    public void Hard_part_27_the_last_partial_block_is_replicated_and_resynced()
    {
        const long Bytes = (1 << 20) + 1536;
        ClusterHarness cluster = ClusterHarness.InSync(volumeBytes: Bytes);
        ClientRequest mirrored = cluster.Write(cluster.Alpha, 1 << 20, 1536);
        cluster.Run();
        Assert.True(mirrored.IsAcknowledged);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        ClientRequest missed = cluster.Write(cluster.Alpha, 1 << 20, 1536);
        ClientRequest nothing = cluster.Change(cluster.Alpha, ChangeKind.Trim, Bytes, 0);
        cluster.Run();
        Assert.True(missed.IsAcknowledged && nothing.IsAcknowledged);
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(missed);
    }

    private static bool IsStableSaid(ClusterHarness cluster) => cluster.Link!.To[0].Any(frame =>
        PeerMessageCodec.TryDecode(frame, out PeerMessage message, out _) && message is AckMessage { Stable.Length: > 0 });
}
