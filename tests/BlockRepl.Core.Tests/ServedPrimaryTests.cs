using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>io-errors: a Primary whose own disk fails while its peer is in sync goes on with the peer (G11), and the failed disk is never taken for current (G1, I1, I3, I8).</summary>
public class ServedPrimaryTests
{
    public static TheoryData<WriteProtocol> Protocols => [WriteProtocol.A, WriteProtocol.B, WriteProtocol.C];

    [Theory]
    [InlineData(EffectKind.LocalChange)]
    [InlineData(EffectKind.LocalFlush)]
    [InlineData(EffectKind.WriteMetadata)]
    [InlineData(EffectKind.None)]
    public void G11_no_client_sees_an_error_whatever_the_Primarys_disk_fails_to_do(EffectKind failing)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest before = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest inFlight = cluster.Write(cluster.Alpha, 4096, flags: ChangeFlags.Fua);
        ClientRequest held = cluster.Write(cluster.Alpha, 4096);
        ClientRequest cold = cluster.Write(cluster.Alpha, 8 << 20);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        ClientRead read = cluster.Read(cluster.Alpha, 0, localFailure: failing == EffectKind.None ? DiskResult.Io : null);
        if (failing != EffectKind.None)
            cluster.Complete(cluster.Alpha, failing, DiskResult.Io);
        cluster.Run();
        foreach (ClientRequest request in new[] { before, inFlight, held, cold, flush })
            Assert.Equal(DiskResult.Ok, request.Result);
        Assert.Equal(before.Id, read.Id);
        Assert.Equal(DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        AssertServes(cluster);
        cluster.Beta.AssertHolds(held);
        cluster.Beta.AssertHolds(cold);
        cluster.AssertNothingLeaked();
    }

    /// <summary>DRBD's 74b50fbdc: whatever the protocol, what only the peer has is done when the peer has done it.</summary>
    [Theory]
    [MemberData(nameof(Protocols))]
    public void I3_without_a_local_disk_every_protocol_waits_for_the_peers_disk(WriteProtocol protocol)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = protocol });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest inFlight = cluster.Write(cluster.Alpha, 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.Io);
        ClientRequest later = cluster.Write(cluster.Alpha, 8192);
        for (int i = 0; i < 20; i++)
        {
            cluster.DeliverAll(cluster.Beta);
            cluster.DeliverAll(cluster.Alpha);
        }

        Assert.Null(inFlight.Result);
        Assert.Null(flush.Result);
        Assert.Null(later.Result);
        while (cluster.Beta.Completable().FirstOrDefault(o => o.Kind == EffectKind.LocalChange) is { } change)
        {
            cluster.Complete(cluster.Beta, change);
            cluster.DeliverAll(cluster.Alpha);
        }

        Assert.Null(flush.Result);
        cluster.Run();
        foreach (ClientRequest request in new[] { inFlight, flush, later })
            Assert.True(request.IsAcknowledged);
        cluster.AssertNothingLeaked();
    }

    /// <summary>Before the server durably knows, the lost disk would be the better copy after a crash of both: nothing may be answered.</summary>
    [Fact]
    public void I1_nothing_is_answered_before_the_server_durably_has_a_generation_of_its_own()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        GenerationId old = cluster.Beta.Metadata[0].Superblock.Current;
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.Io);
        do
        {
            cluster.RunDiskExcept(cluster.Beta, EffectKind.WriteMetadata);
        }
        while (cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha));
        cluster.Beta.AssertHolds(write);
        Assert.Null(write.Result);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.NotEqual(old, cluster.Beta.Metadata[0].Superblock.Current);
        Assert.Equal(old, cluster.Beta.Metadata[0].Superblock.Peers[0].BitmapGeneration);
    }

    /// <summary>
    /// A comparison of two Secondaries has marked what differs on one of them; the other is promoted and cannot read. Its clients must not be given the blocks that differ: marks on
    /// either side say that the two are not in sync.
    /// </summary>
    [Fact]
    public void G11_a_peer_with_marks_that_only_it_has_does_not_serve()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Alpha.Disks[0].Corrupt(0);
        VerifyTests.Verify(cluster.Alpha);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        Assert.Equal((1L, 0L), (cluster.Alpha.Metadata[0].MarkedBlocks, cluster.Beta.Metadata[0].MarkedBlocks));
        ClientRead read = cluster.Read(cluster.Beta, 0, localFailure: DiskResult.Io);
        cluster.Run();
        Assert.Equal(DiskResult.Io, read.Result);
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
    }

    /// <summary>G8: what the lost disk misses is on record at the server before it is answered, through the server's own crash.</summary>
    [Fact]
    public void G8_every_change_that_the_lost_disk_misses_is_on_record_at_the_server()
    {
        ClusterHarness cluster = Served(extents: 2);
        List<long> blocks = [];
        for (int i = 0; i < 40; i++)
        {
            // More extents than the server's log holds: those that leave it must have their marks.
            long block = i % 4 * 1024 + i / 4;
            blocks.Add(block);
            ClientRequest write = cluster.Write(cluster.Alpha, block << Block.Shift);
            while (write.Result is null)
                Assert.True(cluster.StepOnce());
            Assert.All(blocks, one => Assert.True(cluster.Beta.Metadata[0].IsOnRecord(one)));
        }
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void I1_the_failed_disk_comes_back_as_the_target_after_crashes_of_both(bool losesPower, bool takesNote)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Alpha.TakesLossNote = takesNote;
        ClientRequest unflushed = cluster.Write(cluster.Alpha, 16384);
        cluster.Run();
        ClientRequest failing = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.Io);
        ClientRequest later = cluster.Write(cluster.Alpha, 5 << 20);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.True(later.IsAcknowledged && flush.IsAcknowledged);
        cluster.Alpha.Kill();
        if (losesPower)
            cluster.Beta.PowerCut();
        else
            cluster.Beta.Kill();

        // What the failed disk had not flushed is gone from it.
        cluster.Alpha.Disks[0].PowerCut(() => false);
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        foreach (ClientRequest write in new[] { unflushed, failing, later })
        {
            cluster.Alpha.AssertHolds(write);
            cluster.Beta.AssertHolds(write);
        }
    }

    [Fact]
    public void I1_the_server_promoted_after_a_crash_keeps_everything_and_the_failed_disk_follows()
    {
        ClusterHarness cluster = Served();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest alone = cluster.Write(cluster.Beta, 4 << 20);
        cluster.Run();
        Assert.True(alone.IsAcknowledged);
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        cluster.Alpha.AssertHolds(alone);
    }

    [Fact]
    public void When_the_server_goes_too_its_clients_get_errors_and_status_says_why()
    {
        ClusterHarness cluster = Served();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        ClientRead read = cluster.Read(cluster.Alpha, 0);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(DiskResult.Io, write.Result);
        Assert.Equal(DiskResult.Io, read.Result);
        Assert.Equal(DiskResult.Io, cluster.Write(cluster.Alpha, 0).Result);
        Assert.Contains("beta", cluster.Alpha.Status.NoDataReason(ClusterHarness.Volume0), StringComparison.Ordinal);

        // It comes back as it was: it may serve again.
        cluster.IsNetworkUp = true;
        cluster.Run();
        AssertServes(cluster);
    }

    [Fact]
    public void With_suspend_io_requests_wait_for_the_server_and_are_carried_out_in_their_order()
    {
        ClusterHarness cluster = Served(s => s with { OnNoDataAccessible = NoDataPolicy.SuspendIo });
        ClientRequest first = cluster.Write(cluster.Alpha, 0);
        ClientRequest second = cluster.Write(cluster.Alpha, 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        ClientRead asked = cluster.Read(cluster.Alpha, 65536);
        cluster.DeliverAll(cluster.Beta);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        ClientRequest third = cluster.Write(cluster.Alpha, 0);
        ClientRead read = cluster.Read(cluster.Alpha, 0);
        cluster.Run();
        foreach (ClientRequest request in new[] { first, second, flush, third })
            Assert.Null(request.Result);
        Assert.Null(read.Result);
        Assert.Contains("beta", Assert.Single(cluster.Alpha.Status.Suspended).Detail, StringComparison.Ordinal);
        cluster.IsNetworkUp = true;
        cluster.Run();
        foreach (ClientRequest request in new[] { first, second, flush, third })
            Assert.True(request.IsAcknowledged);
        Assert.Equal(DiskResult.Ok, asked.Result);
        Assert.Equal(DiskResult.Ok, read.Result);
        cluster.Beta.AssertHolds(third);
        Assert.Empty(cluster.Alpha.Status.Suspended);
        cluster.AssertNothingLeaked();
    }

    /// <summary>The clients were told of what was not flushed and is gone: they must not go on as if nothing had been.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void G1_a_server_that_lost_power_serves_again_only_if_nothing_was_lost(bool isFlushed)
    {
        ClusterHarness cluster = Served();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        if (isFlushed)
            cluster.Flush(cluster.Alpha);
        cluster.Run();
        cluster.Beta.PowerCut();
        cluster.NoticeLinkDown(cluster.Alpha);
        cluster.Beta.Start();
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        ClientRequest next = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.Equal(isFlushed ? DiskResult.Ok : DiskResult.Io, next.Result);
    }

    /// <summary>A node that was promoted meanwhile has data that the old Primary's clients never saw.</summary>
    [Fact]
    public void G7_a_server_that_was_promoted_meanwhile_does_not_serve_the_old_clients()
    {
        ClusterHarness cluster = Served();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest elsewhere = cluster.Write(cluster.Beta, 0);
        cluster.Run();
        Assert.True(elsewhere.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Tick(20_000);
        cluster.Run();
        Assert.True(cluster.IsConnected);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.Equal(DiskResult.Io, write.Result);
        cluster.Beta.AssertHolds(elsewhere);
        Assert.NotEqual("", cluster.Alpha.Status.NoDataReason(ClusterHarness.Volume0));
    }

    [Fact]
    public void G15_a_peer_of_version_1_cannot_serve_and_clients_get_errors_as_before()
    {
        ClusterHarness cluster = ClusterHarness.InSync(
            s => s.NodeName == "beta" ? s with { NewestProtocol = ProtocolVersion.V1 } : s);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, EffectKind.WriteMetadata, DiskResult.Io);
        cluster.Run();
        Assert.Equal(DiskResult.Io, write.Result);
        Assert.True(cluster.IsConnected);
    }

    [Fact]
    public void A_Primary_that_is_served_can_be_demoted_and_its_server_promoted()
    {
        ClusterHarness cluster = Served();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        CommandTicket demoted = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        Assert.Equal(0, demoted.ExitCode);
        Assert.True(write.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest next = cluster.Write(cluster.Beta, 4096);
        cluster.Run();
        Assert.True(next.IsAcknowledged);
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>I8 (docs/decisions/0020).</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void I8_with_pass_on_a_failed_write_is_told_or_the_failed_disk_is_given_up(bool isPeerThere)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { OnIoError = IoErrorPolicy.PassOn });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRead read = cluster.Read(cluster.Alpha, 0, localFailure: DiskResult.Io);
        cluster.Run();
        Assert.Equal(DiskResult.Ok, read.Result);
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        if (!isPeerThere)
        {
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
        }

        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDiskUntil(cluster.Alpha, EffectKind.LocalChange);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.Io);
        cluster.Run();
        Assert.Equal(isPeerThere ? DiskResult.Ok : DiskResult.Io, write.Result);
        Assert.Equal(isPeerThere ? DiskState.Failed : DiskState.UpToDate, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(0));
    }

    /// <summary>
    /// G6: a Primary whose clients were served by its peer is demoted when that is gone, and its lost disk is attached again. It knows that the disk lacks what the peer acknowledged, so it is no data to be promoted on, also where a
    /// node is to trust itself (<c>fencing: dont-care</c>).
    /// </summary>
    [Fact]
    public void G6_a_lost_disk_in_whose_place_a_peer_served_is_Outdated_when_it_comes_back()
    {
        ClusterHarness cluster = Served();
        ClientRequest served = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.True(served.IsAcknowledged);
        FencingTests.Lose(cluster);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Alpha.CloseDetached();
        cluster.Alpha.Attach(0);
        cluster.Run();
        Assert.Equal(DiskState.Outdated, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        FencingTests.Reconnect(cluster);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(served);
    }

    internal static ClusterHarness Served(Func<ResourceSettings, ResourceSettings>? settings = null, int extents = 4)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings, extents: extents);
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Run();
        AssertServes(cluster);
        return cluster;
    }

    internal static void AssertServes(ClusterHarness cluster)
    {
        Assert.Equal("beta", cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0));
        ClientRequest write = cluster.Write(cluster.Alpha, 12 << 20);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Run();
        ClientRead read = cluster.Read(cluster.Alpha, 12 << 20);
        cluster.Run();
        Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
        Assert.Equal(write.Id, read.Id);
    }
}
