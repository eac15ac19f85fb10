using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>When a client's change is answered (G2, G3, I6, hard parts 7 and 9).</summary>
public class WriteFateTests
{
    [Fact]
    public void Write_is_acked_only_after_peer_ack_in_protocol_C()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Null(write.Result);
        cluster.RunDisk(cluster.Beta);
        Assert.Null(write.Result);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Equal(DiskResult.Ok, write.Result);
        cluster.Beta.AssertHolds(write);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void Write_is_acked_only_after_its_own_disk_in_every_protocol()
    {
        foreach (WriteProtocol protocol in Enum.GetValues<WriteProtocol>())
        {
            ClusterHarness cluster = Warm(protocol);
            ClientRequest write = cluster.Write(cluster.Alpha, 0);
            cluster.DeliverAll(cluster.Beta);
            cluster.RunDisk(cluster.Beta);
            cluster.DeliverAll(cluster.Alpha);
            Assert.Null(write.Result);
            cluster.RunDisk(cluster.Alpha);
            Assert.True(write.IsAcknowledged);
        }
    }

    [Fact]
    public void Write_is_acked_when_the_peer_has_received_it_in_protocol_B()
    {
        ClusterHarness cluster = Warm(WriteProtocol.B);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.Null(write.Result);
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
        Assert.NotEqual(write.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[0]));
    }

    [Fact]
    public void Write_is_acked_after_its_own_disk_alone_in_protocol_A()
    {
        ClusterHarness cluster = Warm(WriteProtocol.A);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        Assert.Null(write.Result);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
        Assert.NotEmpty(cluster.Link!.To[1]);
    }

    /// <summary>What protocol B acknowledged was received; a lost connection is no reason not to apply it, in stream order.</summary>
    [Fact]
    public void A_received_change_is_applied_after_the_connection_is_lost_also_if_it_was_held_back()
    {
        ClusterHarness cluster = Warm(WriteProtocol.B);
        cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        ClientRequest second = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.True(second.IsAcknowledged);
        Assert.Single(cluster.Beta.Pending);
        cluster.Alpha.Kill();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Beta.AssertHolds(second);
    }

    [Fact]
    public void Flush_waits_for_the_stable_storage_of_both_nodes()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        Assert.Null(flush.Result);
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Null(flush.Result);
        cluster.RunDisk(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.True(flush.IsAcknowledged);
        Assert.Equal(write.Id, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Stable[0]));
        Assert.Equal(write.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Stable[0]));
    }

    [Fact]
    public void Flush_needs_its_own_disk_when_the_peer_answered_first()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.RunDisk(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Null(flush.Result);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(flush.IsAcknowledged);
    }

    [Fact]
    public void Force_unit_access_is_acked_only_when_stable_on_both_nodes()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        ClientRequest write = cluster.Write(cluster.Alpha, 0, flags: ChangeFlags.Fua);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.Equal(write.Id, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Stable[0]));
        Assert.Equal(write.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Stable[0]));
    }

    [Fact]
    public void A_later_flush_does_not_join_one_that_runs_already()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        cluster.Flush(cluster.Alpha);
        PendingOperation running = Assert.Single(cluster.Alpha.Pending);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange);
        ClientRequest second = cluster.Flush(cluster.Alpha);
        ClientRequest third = cluster.Flush(cluster.Alpha);
        Assert.Single(cluster.Alpha.Pending);
        cluster.Complete(cluster.Alpha, running);
        Assert.NotEqual(write.Id, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Stable[0]));
        Assert.Single(cluster.Alpha.Pending);
        cluster.Run();
        Assert.True(second.IsAcknowledged && third.IsAcknowledged);
        Assert.Equal(write.Id, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Stable[0]));
    }

    [Fact]
    public void Overlapping_writes_start_one_after_the_other_and_end_alike_on_both_nodes()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        ClientRequest[] writes =
        [
            cluster.Write(cluster.Alpha, 0, 8192), cluster.Write(cluster.Alpha, 4096, 8192), cluster.Write(cluster.Alpha, 8192), cluster.Write(cluster.Alpha, 1000, 3000),
        ];
        Assert.Single(cluster.Alpha.Pending);
        while (cluster.CompleteOne(cluster.Alpha))
            Assert.True(cluster.Alpha.Pending.Count <= 2);
        cluster.DeliverAll(cluster.Beta);
        Assert.Single(cluster.Beta.Pending);
        cluster.Run();
        Assert.All(writes, w => Assert.True(w.IsAcknowledged));
        cluster.AssertInSync();
        Assert.Equal(writes[2].Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[2]));
    }

    [Fact]
    public void Secondary_acknowledges_in_stream_order_whatever_its_disk_finishes_first()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        ClientRequest first = cluster.Write(cluster.Alpha, 0);
        ClientRequest second = cluster.Write(cluster.Alpha, 65536);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.Complete(cluster.Beta, cluster.Beta.Pending[1]);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Null(first.Result);
        Assert.Null(second.Result);
        cluster.Complete(cluster.Beta, cluster.Beta.Pending[0]);
        Assert.Single(cluster.Link!.To[0]);
        cluster.DeliverAll(cluster.Alpha);
        Assert.True(first.IsAcknowledged && second.IsAcknowledged);
    }

    [Fact]
    public void Barrier_is_not_even_flushed_before_everything_before_it_is_applied()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        cluster.Write(cluster.Alpha, 0);
        cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        Assert.Equal(EffectKind.LocalChange, Assert.Single(cluster.Beta.Pending).Kind);
        cluster.CompleteOne(cluster.Beta);
        Assert.Equal(EffectKind.LocalChange, Assert.Single(cluster.Beta.Pending).Kind);
        cluster.CompleteOne(cluster.Beta);
        Assert.Equal(EffectKind.LocalFlush, Assert.Single(cluster.Beta.Pending).Kind);
        cluster.DeliverAll(cluster.Alpha);
        Assert.Null(flush.Result);
        cluster.Run();
        Assert.True(flush.IsAcknowledged);
    }

    [Fact]
    public void Trims_and_zeroes_leave_both_nodes_alike()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        cluster.Write(cluster.Alpha, 0, 5 * 4096);
        cluster.Change(cluster.Alpha, ChangeKind.Trim, 4096, 4096);
        cluster.Change(cluster.Alpha, ChangeKind.Zeroes, 3 * 4096, 4096);
        ClientRequest empty = cluster.Change(cluster.Alpha, ChangeKind.Trim, 0, 0);
        Assert.True(empty.IsAcknowledged);
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal([false, true, false, true, false], Enumerable.Range(0, 5).Select(b => ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[b]) == 0));
    }

    [Fact]
    public void A_Secondary_refuses_its_clients()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        Assert.Equal(DiskResult.Io, cluster.Write(cluster.Beta, 0).Result);
        Assert.Equal(DiskResult.Io, cluster.Flush(cluster.Beta).Result);
    }

    /// <summary>Hard part 11: what belongs to an old link has no effect.</summary>
    [Fact]
    public void Frames_of_an_old_link_have_no_effect()
    {
        ClusterHarness cluster = Warm(WriteProtocol.C);
        LinkId old = cluster.Link!.Id;
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Cut();
        cluster.Run();
        ClientRequest next = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.PeerAck, Link = old, Sequence = new(1000), Applied = new(1000) });
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.PeerMessage, Link = old, Subject = new GoodbyeMessage(GoodbyeReason.SplitBrain, "") });
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.LinkDown, Link = old, State = ConnectionState.BrokenPipe, Subject = "" });
        cluster.Beta.Apply(new CoreEvent
        {
            Kind = CoreEventKind.PeerChange,
            Link = old,
            Sequence = new(1),
            Header = new ChangeHeader(ChangeKind.Trim, default, 0, 4096, 0),
        });
        Assert.Null(next.Result);
        Assert.True(cluster.IsConnected);
        cluster.Run();
        Assert.True(write.IsAcknowledged && next.IsAcknowledged);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(next);
    }

    private static ClusterHarness Warm(WriteProtocol protocol)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = protocol });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        return cluster;
    }

    /// <summary>Hard parts 7 and 8: a write that waits for one of its extents keeps its place before a later one that overlaps it where the log is hot.</summary>
    [Fact]
    public void A_write_that_waits_for_an_extent_is_not_overtaken_by_one_that_overlaps_it()
    {
        const long Boundary = 1L << ActivityLog.ExtentShift;
        ClusterHarness cluster = ClusterHarness.InSync(volumeBytes: 64 << 20);
        cluster.Write(cluster.Alpha, Boundary - 8192);
        cluster.Run();
        cluster.Write(cluster.Alpha, Boundary - 4096, 8192);
        ClientRequest newer = cluster.Write(cluster.Alpha, Boundary - 4096);
        Assert.DoesNotContain(cluster.Alpha.Pending, operation => operation.Kind == EffectKind.LocalChange);
        cluster.Run();
        Assert.True(newer.IsAcknowledged);
        cluster.Alpha.AssertHolds(newer);
        cluster.Beta.AssertHolds(newer);
    }
}
