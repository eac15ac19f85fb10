using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>A node without a local disk becomes Primary where its connected peer is UpToDate, which serves it (G11); and a disk of its own that comes back is judged by what the peer has marked (I1).</summary>
public class PromotionWithoutDiskTests
{
    [Fact]
    public void G11_a_node_without_a_disk_is_promoted_and_served_by_its_peer()
    {
        ClusterHarness cluster = WithoutDisk();
        Assert.Equal("beta", cluster.Alpha.Status.WouldServe(ClusterHarness.Volume0));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        Assert.Equal(Role.Primary, cluster.Alpha.Core.Role);
        Assert.Equal("beta", cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0));
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        ClientRead read = cluster.Read(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        Assert.True(flush.IsAcknowledged);
        Assert.Equal(write.Id, read.Id);
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        cluster.AssertNothingLeaked();
    }

    /// <summary>As on the loss of a Primary's disk: until the server durably has a generation of its own, the absent disk could pass for its equal.</summary>
    [Fact]
    public void I1_it_is_not_Primary_before_the_server_durably_has_a_generation_of_its_own()
    {
        ClusterHarness cluster = WithoutDisk();
        GenerationId before = cluster.Beta.Metadata[0].Superblock.Current;
        CommandTicket primary = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        while (primary.ExitCode < 0)
        {
            Assert.Equal(Role.Secondary, cluster.Alpha.Core.Role);
            Assert.True(cluster.StepOnce());
        }

        Assert.NotEqual(before, cluster.Beta.Metadata[0].Superblock.Current);
    }

    [Fact]
    public void Where_nobody_could_serve_it_the_promotion_is_refused()
    {
        ClusterHarness cluster = WithoutDisk();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        Assert.Equal(11, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Detach);
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary, force: true).ExitCode);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        Assert.Equal(16, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary, force: true).ExitCode);
        Assert.Equal(Role.Secondary, cluster.Alpha.Core.Role);
    }

    /// <summary>
    /// G7: the disk is attached at any step of the promotion. Its peer may have taken a generation of its own by then, to serve: this node must not go on from the disk's generation beside that.
    /// </summary>
    [Fact]
    public void G7_a_disk_that_is_attached_on_the_way_ends_the_promotion_or_comes_under_the_Primary()
    {
        int refused = 0;
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = WithoutDisk();
            CommandTicket primary = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            cluster.Alpha.Attach(0);
            cluster.IsNetworkUp = false;
            while (primary.Result is null)
                Assert.True(cluster.CompleteOne(cluster.Alpha) || cluster.Deliver(cluster.Alpha), $"the promotion is not answered after {steps} steps");
            cluster.Cut();
            cluster.Run();
            refused += primary.ExitCode == 0 ? 0 : 1;
            if (cluster.Alpha.Core.Role != Role.Primary)
                cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary);
            ClientRequest? alone = cluster.Alpha.Core.Role == Role.Primary ? cluster.Write(cluster.Alpha, 0) : null;
            cluster.Run();
            FencingTests.Reconnect(cluster);
            Assert.DoesNotContain(cluster.Alpha.Log.Concat(cluster.Beta.Log), line => line.Contains("plit", StringComparison.Ordinal));
            if (alone is { IsAcknowledged: true })
                cluster.Beta.AssertHolds(alone);
        }

        Assert.True(refused > 3, "too few interleavings");
    }

    /// <summary>
    /// G2, G6: the disk that is attached at any step of the promotion is older than what the peer, which is asked to serve, has acknowledged since. With fencing dont-care it calls itself UpToDate.
    /// </summary>
    [Fact]
    public void G6_an_older_disk_that_is_attached_on_the_way_is_never_promoted_on()
    {
        int refused = 0;
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = WithoutDisk();
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
            ClientRequest newer = cluster.Write(cluster.Beta, 0, flags: ChangeFlags.Fua);
            cluster.Run();
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
            CommandTicket primary = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;

            // What the peer says comes while the attached disk's metadata are being written.
            cluster.Alpha.Attach(0);
            while (cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha))
            {
                // All that is on the way.
            }

            cluster.IsNetworkUp = false;
            cluster.Run();
            refused += primary.ExitCode == 0 ? 0 : 1;
            if (cluster.Alpha.Core.Role == Role.Primary && cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0).Length == 0)
                cluster.Alpha.AssertHolds(newer);
            cluster.IsNetworkUp = true;
            cluster.Run();
            cluster.AssertInSync();
            cluster.Alpha.AssertHolds(newer);
        }

        Assert.True(refused > 3, "too few interleavings");
    }

    /// <summary>A resync that the peer had asked for and not begun moves its generation into the history: what this node then wrote alone is newer all the same (rule 71).</summary>
    [Fact]
    public void G6_a_peer_that_missed_the_begin_of_a_resync_is_not_promoted_beside_the_lost_disk()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        while (cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.WFBitMapS)
            Assert.True(cluster.StepOnce(), "no resync is agreed on");
        while (cluster.CompleteOne(cluster.Alpha))
        {
            // The source has its begin on record; the target does not hear of it.
        }

        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Beta.Kill();
        ClientRequest alone = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(alone.IsAcknowledged);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach).ExitCode);
        cluster.Alpha.CloseDetached();
        cluster.Beta.Start();
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.Run();
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(alone);
    }

    /// <summary>The server's disk fails when it is asked to serve: refused, and nothing of the attempt is left.</summary>
    [Fact]
    public void A_server_that_cannot_serve_refuses_the_promotion()
    {
        ClusterHarness cluster = WithoutDisk();
        CommandTicket primary = cluster.Command(cluster.Alpha, OperatorVerb.Primary);
        while (!cluster.Beta.Pending.Exists(static o => o.Kind == EffectKind.LocalFlush))
            Assert.True(cluster.StepOnce());
        cluster.Complete(cluster.Beta, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Run();
        Assert.Equal(17, primary.ExitCode);
        Assert.Equal(Role.Secondary, cluster.Alpha.Core.Role);
        Assert.Equal("", cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0));
        cluster.Beta.CloseDetached();
        cluster.Beta.Attach(0);
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.AssertNothingLeaked();
    }

    /// <summary>G6: the disk that is attached at any step of the promotion is half resynced. It must not count as what the promotion has judged.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G6_an_Inconsistent_disk_that_is_attached_on_the_way_is_not_promoted(bool force)
    {
        int refused = 0;
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = WithoutDisk();
            cluster.Alpha.Log.Clear();
            SimulatedMetadata metadata = cluster.Alpha.Metadata[0];
            metadata.Superblock = metadata.Superblock with { Flags = metadata.Superblock.Flags & ~(SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate) };
            CommandTicket primary = cluster.Command(cluster.Alpha, OperatorVerb.Primary, force);
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            cluster.Alpha.Attach(0);

            // Its own metadata last: the peer grants the promotion while the disk is attaching.
            while (cluster.Deliver(cluster.Beta) || cluster.Deliver(cluster.Alpha) || cluster.CompleteOne(cluster.Beta) || cluster.StepOnce())
            {
                bool isResynced = cluster.Alpha.Log.Exists(static line => line.Contains("resync done as target", StringComparison.Ordinal));
                Assert.True(isResynced || cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) != DiskState.UpToDate, $"attached after {steps} steps, an Inconsistent disk counts");
            }

            refused += primary.ExitCode == 0 ? 0 : 1;
            Assert.DoesNotContain(cluster.Alpha.Log.Concat(cluster.Beta.Log), line => line.Contains("plit", StringComparison.Ordinal));
            if (cluster.Alpha.Core.Role != Role.Primary)
                Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        }

        Assert.True(refused > 0);
    }

    /// <summary>Its disk has other data than the peer went on from: it is not taken for the lost one.</summary>
    [Fact]
    public void I1_a_disk_that_the_peer_has_no_marks_for_is_not_taken_back_under_the_Primary()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Cut();
        cluster.IsNetworkUp = false;
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.Kill();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true);
        cluster.Write(cluster.Beta, 4096);
        cluster.Run();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        cluster.Alpha.StartDiskless();
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Alpha.Attach(0);
        cluster.Run();
        Assert.True(cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) <= DiskState.Failed);
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("it holds other data", StringComparison.Ordinal));
    }

    // Alpha was Primary, is Secondary, and has detached its disk.
    private static ClusterHarness WithoutDisk()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 65536);
        cluster.Run();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach);
        cluster.Alpha.CloseDetached();
        cluster.Run();
        Assert.Equal(DiskState.Diskless, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        return cluster;
    }
}
