using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>A mended disk comes back under its Primary and is resynced from the Secondary while the clients go on (G11, G9, I4, I5); detach and attach.</summary>
public class ReturningDiskTests
{
    [Fact]
    public void G11_a_mended_disk_comes_back_under_its_Primary()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served();
        List<ClientRequest> writes = [];
        for (int i = 0; i < 40; i++)
            writes.Add(cluster.Write(cluster.Alpha, i * 65536L));
        cluster.Run();
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        for (int i = 0; cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) != DiskState.UpToDate; i++)
        {
            if (i % 5 == 0)
                writes.Add(cluster.Write(cluster.Alpha, i % 40 * 65536L));
            ClientRead read = cluster.Read(cluster.Alpha, 39 * 65536L);
            Assert.True(cluster.StepOnce());
            Assert.NotEqual(DiskResult.Io, read.Result);
        }

        cluster.Run();
        Assert.All(writes, write => Assert.True(write.IsAcknowledged));
        cluster.AssertInSync();
        Assert.Equal(Role.Primary, cluster.Alpha.Core.Role);
        Assert.Equal("", cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0));
        Assert.True(cluster.Alpha.ReadsLocally[0]);
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("resync done as target", StringComparison.Ordinal));
        Assert.Empty(cluster.Beta.Metadata[0].ActiveExtents);

        // And it counts again: a crash of the Primary makes it the source of what only it may have.
        ClientRequest last = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(last);
    }

    /// <summary>The source reads, then applies the change; the Primary has written it when the older data comes.</summary>
    [Theory]
    [InlineData(0, Block.Size)]
    [InlineData(512, 1024)]
    [InlineData(0, 8 * Block.Size)]
    public void I4_resync_data_older_than_a_change_of_the_Primary_does_not_overwrite_it(long offset, long length)
    {
        ClusterHarness cluster = ServedPrimaryTests.Served();
        ClientRequest old = cluster.Write(cluster.Alpha, 0, 8 * Block.Size);
        cluster.Run();
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        while (!cluster.Beta.Pending.Exists(o => o.Kind == EffectKind.ResyncRead && o.Request.Range.Overlaps(old.Range)))
            Assert.True(cluster.StepOnce());

        // The change is on the Primary's disk before the data that was read before it arrives.
        ClientRequest newer = cluster.Write(cluster.Alpha, offset, length);
        cluster.RunDisk(cluster.Alpha);
        cluster.RunDisk(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        byte[] expected = new byte[8 * Block.Size];
        ClusterHarness.Fill(expected, old.Id);
        ClusterHarness.Fill(expected.AsSpan((int)offset, (int)length), newer.Id);
        byte[] found = new byte[expected.Length];
        cluster.Alpha.Disks[0].Cache.Read(0, found);
        Assert.Equal(expected, found);
        cluster.Run();
        Assert.True(newer.IsAcknowledged);
        cluster.AssertInSync();
    }

    /// <summary>A change of the Primary that waits behind another has no place in the stream yet. It is newer than any data that comes meanwhile, which must not be written behind it.</summary>
    [Fact]
    public void I4_resync_data_does_not_overwrite_a_change_of_the_Primary_that_was_held_back_when_it_came()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served();
        ClientRequest old = cluster.Write(cluster.Alpha, 0, 8 * Block.Size);
        cluster.Run();
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        while (!cluster.Beta.Pending.Exists(o => o.Kind == EffectKind.ResyncRead && o.Request.Range.Overlaps(old.Range)))
            Assert.True(cluster.StepOnce());

        // The second waits for the first on the Primary's disk; the data that was read before either comes in between.
        ClientRequest first = cluster.Write(cluster.Alpha, 7 * Block.Size, 2 * Block.Size);
        cluster.RunDiskExcept(cluster.Alpha, EffectKind.LocalChange);
        ClientRequest held = cluster.Write(cluster.Alpha, Block.Size, 7 * Block.Size);
        cluster.RunDisk(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
        byte[] expected = new byte[9 * Block.Size];
        ClusterHarness.Fill(expected, old.Id);
        ClusterHarness.Fill(expected.AsSpan(7 * Block.Size), first.Id);
        ClusterHarness.Fill(expected.AsSpan(Block.Size, 7 * Block.Size), held.Id);
        byte[] found = new byte[expected.Length];
        cluster.Alpha.Disks[0].Cache.Read(0, found);
        Assert.Equal(expected, found);
        cluster.Run();
        Assert.True(first.IsAcknowledged && held.IsAcknowledged);
        cluster.AssertInSync();
    }

    /// <summary>Such a change is on the server alone: resync data that holds it must not be cut, although the server's position was behind it when it read.</summary>
    [Fact]
    public void I4_a_change_from_before_the_resync_is_taken_from_resync_data_whatever_its_position()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served();
        cluster.Write(cluster.Alpha, 0);
        cluster.Write(cluster.Alpha, 1 << 20);
        cluster.Run();
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        while (!cluster.Alpha.Pending.Exists(o => o.Kind == EffectKind.WriteMetadata && o.Metadata.Superblock is { } s && (s.Flags & Format.SuperblockFlags.Consistent) == 0))
            Assert.True(cluster.StepOnce());
        ClientRequest slow = cluster.Write(cluster.Alpha, 1 << 20);
        ClientRequest behind = cluster.Write(cluster.Alpha, 0);

        // The second is done at the server before the first: its position stays behind both.
        cluster.DeliverAll(cluster.Beta);
        while (cluster.Beta.Pending.Find(o => o.Kind == EffectKind.LocalChange && o.Request.Range.Offset == 0) is not { } change)
            Assert.True(cluster.CompleteOne(cluster.Beta));
        cluster.Complete(cluster.Beta, cluster.Beta.Pending.First(o => o.Kind == EffectKind.LocalChange && o.Request.Range.Offset == 0));
        for (int i = 0; i < 200; i++)
        {
            PendingOperation? next = cluster.Beta.Completable().FirstOrDefault(o => o.Kind != EffectKind.LocalChange);
            if (next is not null)
                cluster.Complete(cluster.Beta, next);
            cluster.DeliverAll(cluster.Beta);
            cluster.CompleteOne(cluster.Alpha);
            cluster.DeliverAll(cluster.Alpha);
        }

        cluster.Alpha.AssertHolds(behind);
        cluster.Run();
        Assert.True(slow.IsAcknowledged && behind.IsAcknowledged);
        cluster.AssertInSync();
    }

    /// <summary>G9: whatever ends the resync, and in whatever step, nothing is lost and nothing old is taken for current.</summary>
    [Theory]
    [InlineData("link")]
    [InlineData("alpha disk")]
    [InlineData("alpha dies")]
    [InlineData("beta dies")]
    [InlineData("alpha loses power")]
    [InlineData("both die")]
    public void G9_a_returning_disks_resync_may_be_cut_at_any_step(string disaster)
    {
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = ServedPrimaryTests.Served();
            List<ClientRequest> writes = [cluster.Write(cluster.Alpha, 0), cluster.Write(cluster.Alpha, 5 << 20, 3 * Block.Size), cluster.Write(cluster.Alpha, 9 << 20)];
            cluster.Run();
            cluster.Alpha.CloseDisk();
            cluster.Alpha.Attach(0);
            bool isOver = false;
            for (int i = 0; i < steps && !isOver; i++)
            {
                if (i == steps / 2)
                    writes.Add(cluster.Write(cluster.Alpha, 5 << 20));
                isOver = !cluster.StepOnce();
            }

            Cut(cluster, disaster);
            cluster.Run();
            List<ClientRequest> acknowledged = [.. writes.Where(write => write.IsAcknowledged)];
            Heal(cluster);
            Assert.True(
                cluster.IsConnected && cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) == DiskState.UpToDate,
                $"step {steps}: {cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf)} {cluster.Alpha.Status.DiskState(ClusterHarness.Volume0)} served by '{cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0)}' {cluster.Alpha.Status.NoDataReason(ClusterHarness.Volume0)}\n"
                + string.Join('\n', cluster.Alpha.Log.TakeLast(25)) + "\nbeta:\n" + string.Join('\n', cluster.Beta.Log.TakeLast(25)));
            cluster.AssertInSync();
            foreach (ClientRequest write in acknowledged)
            {
                bool isReplaced = writes.Exists(later => later.IssuedAt > write.IssuedAt && later.Range.Overlaps(write.Range));
                if (!isReplaced)
                    cluster.Alpha.AssertHolds(write);
            }

            if (isOver)
                return;
        }
    }

    [Fact]
    public void Another_disk_that_is_fresh_is_filled_and_one_with_other_data_is_refused()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.CloseDisk();
        SimulatedMetadata other = Fresh(cluster);
        other.Superblock = other.Superblock with { Current = new GenerationId(0x1234567890ABCDEE), Flags = Format.SuperblockFlags.Consistent | Format.SuperblockFlags.WasUpToDate };
        cluster.Alpha.ChangeDisk(other);
        cluster.Alpha.Attach(0);
        cluster.Run();
        Assert.Equal(DiskState.Diskless, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal("beta", cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0));

        cluster.Alpha.ChangeDisk(Fresh(cluster));
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }

    [Fact]
    public void Detach_of_a_Primarys_disk_needs_a_peer_in_sync()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest before = cluster.Write(cluster.Alpha, 0);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach).ExitCode);
        Assert.True(before.IsAcknowledged);
        ClientRequest write = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.True(write.IsAcknowledged);

        // The other's is the only copy now.
        Assert.Equal(11, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Detach).ExitCode);
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Detach).ExitCode);
        Assert.Equal(11, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Detach).ExitCode);
        cluster.Write(cluster.Alpha, 8192);
        cluster.Run();
        cluster.Beta.CloseDisk();
        cluster.Beta.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void A_Primary_may_be_demoted_while_its_disk_comes_back()
    {
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = ServedPrimaryTests.Served();
            ClientRequest write = cluster.Write(cluster.Alpha, 0);
            cluster.Run();
            cluster.Alpha.CloseDisk();
            cluster.Alpha.Attach(0);
            bool isOver = false;
            for (int i = 0; i < steps && !isOver; i++)
                isOver = !cluster.StepOnce();
            CommandTicket demoted = cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
            Assert.Equal(0, demoted.ExitCode);
            cluster.AssertInSync();
            cluster.Alpha.AssertHolds(write);
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
            if (isOver)
                return;
        }
    }

    private static SimulatedMetadata Fresh(ClusterHarness cluster) =>
        new("mail", "postgres", "alpha", "beta", cluster.Alpha.Disks[0].SizeBytes, 4);

    private static void Cut(ClusterHarness cluster, string disaster)
    {
        switch (disaster)
        {
            case "link":
                cluster.Cut();
                break;
            case "alpha disk":
                if (cluster.Alpha.Pending.Count > 0)
                    cluster.Complete(cluster.Alpha, cluster.Alpha.Completable().First(), DiskResult.Io);
                break;
            case "alpha dies":
                cluster.Alpha.Kill();
                cluster.NoticeLinkDown(cluster.Beta);
                break;
            case "alpha loses power":
                cluster.Alpha.PowerCut();
                cluster.NoticeLinkDown(cluster.Beta);
                break;
            case "beta dies":
                cluster.Beta.Kill();
                cluster.NoticeLinkDown(cluster.Alpha);
                break;
            default:
                cluster.Alpha.Kill();
                cluster.Beta.Kill();
                break;
        }
    }

    private static void Heal(ClusterHarness cluster)
    {
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            if (node.IsAlive)
                continue;
            node.Start();
            cluster.Command(node, OperatorVerb.Connect);
        }

        cluster.Run();
        cluster.Tick(20_000);
        cluster.Run();
        if (cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) > DiskState.Failed)
            return;
        cluster.Alpha.CloseDisk();
        cluster.Alpha.Attach(0);
        cluster.Run();
    }

    /// <summary>The operator detaches the Secondary's disk while the Primary loses its own, at any step of each other: no client sees an error, and one of the two disks stays in use.</summary>
    [Fact]
    public void G11_a_detach_that_crosses_with_the_loss_of_the_Primarys_disk_leaves_one_of_them()
    {
        int refused = 0, granted = 0;
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = ClusterHarness.InSync();
            cluster.Write(cluster.Alpha, 0);
            cluster.Run();
            CommandTicket detach = cluster.Command(cluster.Beta, OperatorVerb.Detach);
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            bool isAlone = cluster.Alpha.Status.PeerDiskState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != DiskState.UpToDate;
            ClientRead read = cluster.Read(cluster.Alpha, 0, localFailure: DiskResult.Io);
            cluster.Run();

            // Once the Primary has agreed, its disk is the only one; before that, the peer's is still there to serve.
            Assert.Equal(isAlone ? DiskResult.Io : DiskResult.Ok, read.Result);
            Assert.Equal(isAlone ? 0 : 11, detach.ExitCode);
            Assert.Equal(isAlone ? DiskState.UpToDate : DiskState.Failed, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
            _ = isAlone ? granted++ : refused++;
        }

        Assert.True(refused > 0 && granted > 0, $"{refused} refused, {granted} granted");
    }

    [Fact]
    public void A_detach_whose_answer_is_lost_with_the_connection_does_not_happen()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        CommandTicket detach = cluster.Command(cluster.Beta, OperatorVerb.Detach);
        cluster.Cut();
        cluster.Run();
        Assert.Equal(11, detach.ExitCode);
        cluster.AssertInSync();
    }

    /// <summary>G6: the disk is back under the Primary, and its resync has not begun when that dies. With fencing dont-care it trusts what it last knew of itself: that the peer has more.</summary>
    [Fact]
    public void G6_a_disk_that_came_back_and_was_not_resynced_is_Outdated_after_a_crash()
    {
        ClusterHarness cluster = ServedPrimaryTests.Served();
        ClientRequest write = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.CloseDetached();
        cluster.Alpha.Attach(0);
        cluster.RunDisk(cluster.Alpha);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Alpha.Kill();
        cluster.Alpha.Start();
        cluster.Run();
        Assert.Equal(DiskState.Outdated, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(17, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.IsNetworkUp = true;
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
    }
}
