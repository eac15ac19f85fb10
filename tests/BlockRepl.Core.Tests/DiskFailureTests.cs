using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Failing disks (G1, G11, I3, hard part 12).</summary>
public class DiskFailureTests
{
    [Fact]
    public void A_failed_flush_detaches_the_disk_for_good()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Run();
        Assert.True(flush.IsAcknowledged);
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        ClientRequest again = cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.True(again.IsAcknowledged);
        Assert.DoesNotContain(cluster.Alpha.Pending, o => o.Kind == EffectKind.LocalFlush);
        Assert.Equal(DiskState.Failed, cluster.Beta.Status.PeerDiskState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.AssertNothingLeaked();
    }

    /// <summary>No UpToDate disk has the write when the only one is gone: that a target of a resync has it is worth nothing, the next resync takes it away.</summary>
    [Fact]
    public void G11_a_write_that_only_an_Inconsistent_peer_still_has_is_not_answered_as_done()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        for (int i = 0; i < 64; i++)
            cluster.Write(cluster.Alpha, i * 8192);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        while (cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.SyncSource)
            Assert.True(cluster.StepOnce(), "the resync never began");
        ClientRequest write = cluster.Write(cluster.Alpha, 1 << 20);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.Ok);
        Assert.False(write.IsAnswered);
        Assert.Equal(DiskState.Inconsistent, cluster.Alpha.Status.PeerDiskState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Run();
        Assert.True(write.IsAnswered && flush.IsAnswered);
        Assert.False(write.IsAcknowledged);
        Assert.False(flush.IsAcknowledged);
    }

    /// <summary>
    /// G1, G2, hard part 12: what a Primary's failed disk had not flushed may be gone from it; when it comes back, the peer's copy counts, never this one.
    /// </summary>
    [Fact]
    public void A_disk_that_failed_under_its_Primary_comes_back_as_a_target()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Run();
        CloseDisk(cluster.Alpha);
        Assert.Equal(DiskState.Diskless, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));

        // Not under a Primary that nobody serves: nothing could make the disk current.
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Alpha.Attach(0);
        cluster.Run();
        Assert.Equal(DiskState.Diskless, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        cluster.IsNetworkUp = true;
        cluster.Run();

        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(write);
        cluster.Alpha.AssertHolds(write);
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("resync done as target", StringComparison.Ordinal));
    }

    /// <summary>A disk whose attachment could not be written is given up, so that whoever waits for it hears so; a mended one is taken.</summary>
    [Fact]
    public void A_disk_that_fails_while_it_is_attached_is_let_go_and_may_come_again()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Down).ExitCode);
        cluster.Beta.Attach(0);
        cluster.Complete(cluster.Beta, EffectKind.WriteMetadata, DiskResult.Io);
        Assert.Equal(DiskState.Failed, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        CloseDisk(cluster.Beta);
        Assert.Equal(DiskState.Diskless, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        cluster.Beta.Attach(0);
        cluster.Run();
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
    }

    /// <summary>G12: a log transaction that died with a disk does not keep the next disk from having its own.</summary>
    [Fact]
    public void After_a_failed_log_transaction_a_new_disk_takes_writes()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.WriteMetadata, DiskResult.Io);
        cluster.Run();
        CloseDisk(cluster.Alpha);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
    }

    [Fact]
    public void A_failed_write_on_the_Secondary_is_marked_before_the_ack_passes_it()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 8192);
        cluster.RunDisk(cluster.Alpha);
        cluster.DeliverAll(cluster.Beta);
        cluster.Complete(cluster.Beta, EffectKind.LocalChange, DiskResult.Io);
        while (write.Result is null)
        {
            bool stepped = cluster.Deliver(cluster.Alpha) || cluster.CompleteOne(cluster.Alpha);
            Assert.True(stepped);
        }

        Assert.True(write.IsAcknowledged);
        Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(2));
        Assert.NotEqual(0, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        Assert.False(cluster.Alpha.Metadata[0].Superblock.Peers[0].BitmapGeneration.IsNone);
        cluster.Run();
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.PeerDiskState(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        ClientRequest next = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(next.IsAcknowledged);
        cluster.AssertNothingLeaked();
    }

    [Fact]
    public void A_write_whose_extent_could_not_be_logged_never_reaches_the_disk()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.WriteMetadata, DiskResult.Io);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.Equal(0u, ClusterHarness.IdIn(cluster.Alpha.Disks[0].Cache[0]));
        cluster.Beta.AssertHolds(write);
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        cluster.AssertNothingLeaked();
    }

    /// <summary>Hard part 28: whatever fails, in whatever order, no client is left without an answer.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void After_a_disk_failure_every_request_is_answered_even_if_the_peer_goes_too(bool peerGoes)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest failing = cluster.Write(cluster.Alpha, 0);
        ClientRequest held = cluster.Write(cluster.Alpha, 0);
        ClientRequest elsewhere = cluster.Write(cluster.Alpha, 65536);
        ClientRequest cold = cluster.Write(cluster.Alpha, 8 << 20);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, cluster.Alpha.Pending.First(o => o.Kind == EffectKind.LocalChange && o.Request.Range.Offset == 65536));
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.Io);
        if (peerGoes)
        {
            cluster.IsNetworkUp = false;
            cluster.Cut();
        }

        cluster.Run();
        foreach (ClientRequest request in new[] { failing, held, elsewhere, cold, flush })
            Assert.Equal(peerGoes ? DiskResult.Io : DiskResult.Ok, request.Result);
        cluster.AssertNothingLeaked();
    }

    [Fact]
    public void A_write_that_finds_no_room_costs_neither_disk_nor_connection()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.NoSpace);
        cluster.Run();
        Assert.Equal(DiskResult.NoSpace, write.Result);
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        Assert.True(cluster.IsConnected);
        Assert.Equal(1, cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_disk_that_fails_during_a_resync_does_not_cost_the_connection(bool atTarget)
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(80);
        cluster.IsNetworkUp = true;
        SimulatedNode failing = atTarget ? cluster.Beta : cluster.Alpha;
        EffectKind kind = atTarget ? EffectKind.LocalChange : EffectKind.ResyncRead;
        while (!(failing.Pending.Exists(o => o.Kind == kind)
            && cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) == ReplicationState.SyncSource))
        {
            Assert.True(cluster.StepOnce());
        }

        LinkId link = cluster.Link!.Id;
        cluster.Complete(failing, kind, DiskResult.Io);
        cluster.Run();
        Assert.Equal(link, cluster.Link!.Id);
        Assert.True(cluster.IsConnected);
        Assert.Equal(DiskState.Failed, failing.Status.DiskState(ClusterHarness.Volume0));
        cluster.AssertNothingLeaked();
    }

    private static void CloseDisk(SimulatedNode node) => node.Apply(new CoreEvent { Kind = CoreEventKind.DiskClosed, Volume = ClusterHarness.Volume0 });
}
