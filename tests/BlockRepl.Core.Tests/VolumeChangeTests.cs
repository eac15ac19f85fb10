using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Volumes that come and go while the resource is up, and the one order over all of them.</summary>
public class VolumeChangeTests
{
    private const long Bytes = 16 << 20;

    private static ReplicationState Replication(SimulatedNode node, ushort volume) => node.Status.ReplicationState(new VolumeNr(volume), ClusterHarness.PeerOf);

    private static DiskState Disk(SimulatedNode node, ushort volume) => node.Status.DiskState(new VolumeNr(volume));

    private static CommandTicket Remove(ClusterHarness cluster, SimulatedNode node, ushort volume) =>
        cluster.Command(node, new OperatorCommand(OperatorVerb.RemoveVolume) { Volume = new VolumeNr(volume) });

    private static ClusterHarness TwoVolumes(int volumes = 2) =>
        ClusterHarness.InSync(settings => settings with { Volumes = [.. Enumerable.Range(0, volumes).Select(i => $"v{i}")] });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_volume_that_only_one_node_has_disturbs_nobody_and_joins_when_the_other_has_it(bool primaryFirst)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        SimulatedNode first = primaryFirst ? cluster.Alpha : cluster.Beta;
        first.AddVolume("new", Bytes);
        cluster.Run();
        Assert.Equal((ReplicationState.Established, ReplicationState.Off), (Replication(first, 0), Replication(first, 1)));
        Assert.False(first.Status.IsOnPeer(new VolumeNr(1), ClusterHarness.PeerOf));
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);

        cluster.Other(first).AddVolume("new", Bytes);
        cluster.Run();
        Assert.Equal((ReplicationState.Established, DiskState.Inconsistent), (Replication(cluster.Alpha, 1), Disk(cluster.Alpha, 1)));
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.SkipInitialSync).ExitCode);
        cluster.AssertInSync();
        ClientRequest here = cluster.Write(cluster.Alpha, 8192, volume: 1);
        cluster.Run();
        Assert.True(here.IsAcknowledged);
        cluster.Beta.AssertHolds(here);
        cluster.AssertInSync();

        // The new volume is part of the whole from now on: after a crash of the Primary nothing is missing on either.
        cluster.Write(cluster.Alpha, 0, volume: 1);
        cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.Alpha.Kill(cluster.Chance);
        cluster.Run();
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_removed_volume_leaves_clean_and_needs_no_resync_when_it_comes_back(bool primaryFirst)
    {
        ClusterHarness cluster = TwoVolumes();
        cluster.Write(cluster.Alpha, 0, volume: 1);
        cluster.Run();
        SimulatedNode first = primaryFirst ? cluster.Alpha : cluster.Beta;
        foreach (SimulatedNode node in new[] { first, cluster.Other(first) })
        {
            CommandTicket removed = Remove(cluster, node, 1);
            ClientRequest write = cluster.Write(cluster.Alpha, 4096);
            cluster.Run();
            Assert.Equal(0, removed.ExitCode);
            Assert.True(write.IsAcknowledged);
            Assert.Equal(DiskState.Diskless, Disk(node, 1));
            Assert.Equal(ReplicationState.Established, Replication(node, 0));
            Assert.True((node.Metadata[1].Superblock.Flags & Format.SuperblockFlags.CleanShutdown) != 0);
            Assert.False((node.Metadata[1].Superblock.Flags & Format.SuperblockFlags.PrimaryIndicator) != 0);
            Assert.Empty(node.Metadata[1].ActiveExtents);

            // Where the Secondary went first, the Primary remembers what it was not told to be stable there.
            Assert.Equal(primaryFirst || node == first ? 0 : 1, node.Metadata[1].MarkedBlocks);
        }

        var alpha = cluster.Alpha.ForgetLastVolume();
        var beta = cluster.Beta.ForgetLastVolume();
        cluster.AssertInSync();
        Assert.Equal(alpha.Metadata.Superblock.Current, beta.Metadata.Superblock.Current);
        Assert.Empty(alpha.Disk.Cache.Differences(beta.Disk.Cache));
        Assert.Equal(11, Remove(cluster, cluster.Alpha, 1).ExitCode);
    }

    /// <summary>Numbers are not used again, and frames of a volume that has gone take nobody for another.</summary>
    [Fact]
    public void A_volume_added_after_a_removal_has_a_number_of_its_own()
    {
        ClusterHarness cluster = TwoVolumes();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            Remove(cluster, node, 0);
        cluster.Run();
        foreach (SimulatedNode node in new[] { cluster.Beta, cluster.Alpha })
            node.AddVolume("other", Bytes);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.SkipInitialSync).ExitCode);
        ClientRequest old = cluster.Write(cluster.Alpha, 0, volume: 1);
        ClientRequest added = cluster.Write(cluster.Alpha, 0, volume: 2);
        cluster.Run();
        Assert.True(old.IsAcknowledged && added.IsAcknowledged);
        cluster.Beta.AssertHolds(old);
        cluster.Beta.AssertHolds(added);
    }

    /// <summary>Interrupted anywhere, by a cut or the death of either node, the volumes that stay are in sync again and nothing acknowledged is lost.</summary>
    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(true, 1)]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    [InlineData(false, 2)]
    public void G2_a_change_of_volumes_cut_anywhere_costs_the_others_nothing(bool adds, int accident)
    {
        for (int steps = 0; steps < 40; steps++)
        {
            ClusterHarness cluster = TwoVolumes();
            ClientRequest before = cluster.Write(cluster.Alpha, 0);
            cluster.Run();
            if (adds)
                cluster.Alpha.AddVolume("new", Bytes);
            else
                Remove(cluster, cluster.Alpha, 1);
            ClientRequest during = cluster.Write(cluster.Alpha, 8192);
            bool more = true;
            for (int i = 0; i < steps && more; i++)
                more = cluster.StepOnce();
            if (accident == 0)
                cluster.Cut();
            else
                (accident == 1 ? cluster.Beta : cluster.Alpha).Kill(cluster.Chance);
            bool wasAcknowledged = during.IsAcknowledged;
            foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            {
                if (node.IsAlive)
                    continue;
                node.Start();
                cluster.Command(node, OperatorVerb.Connect);
            }

            for (int i = 0; i < 3; i++)
            {
                cluster.Run();
                cluster.Tick(3_000);
            }

            cluster.Run();
            Assert.True(cluster.IsConnected);
            foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            {
                Assert.Equal((DiskState.UpToDate, ReplicationState.Established), (Disk(node, 0), Replication(node, 0)));
                node.AssertHolds(before);
                if (wasAcknowledged)
                    node.AssertHolds(during);
            }

            Assert.Empty(cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[0].Cache));
            if (!more)
                return;
        }
    }

    /// <summary>A Primary's new, empty volume that the peer has data for is left out by both; it costs the connection nothing.</summary>
    [Fact]
    public void G7_a_new_volume_never_overwrites_the_peers_data()
    {
        ClusterHarness cluster = TwoVolumes();
        Assert.Equal(0, CommandAndRun(cluster, cluster.Alpha).ExitCode);
        cluster.Alpha.ForgetLastVolume();
        cluster.Alpha.AddVolume("v1", Bytes);
        cluster.Run();
        Assert.Equal(ReplicationState.Established, Replication(cluster.Alpha, 0));
        Assert.Equal(ReplicationState.Off, Replication(cluster.Beta, 1));
        Assert.Equal(DiskState.UpToDate, Disk(cluster.Beta, 1));
    }

    /// <summary>G4: a database on one volume never sees the future of another, however the stream is cut.</summary>
    [Fact]
    public void G4_a_promoted_node_holds_a_prefix_of_the_stream_over_all_volumes()
    {
        for (int frames = 0; frames < 14; frames++)
        {
            ClusterHarness cluster = TwoVolumes(3);
            List<ClientRequest> markers = [];
            for (int i = 0; i < 12; i++)
                markers.Add(cluster.Write(cluster.Alpha, i * 4096L, volume: (ushort)(i % 3)));
            while (cluster.CompleteOne(cluster.Alpha))
            {
            }

            for (int i = 0; i < frames; i++)
            {
                if (cluster.Deliver(cluster.Beta) && cluster.Chance.OneIn(2))
                    cluster.CompleteOne(cluster.Beta);
            }

            cluster.Alpha.Kill();
            cluster.Run();
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
            bool[] held = [.. markers.Select(marker => ClusterHarness.IdIn(cluster.Beta.Disks[marker.Volume.Value].Cache[marker.Range.FirstBlock]) == marker.Id)];
            int prefix = held.TakeWhile(isHeld => isHeld).Count();
            Assert.All(held[prefix..], Assert.False);
            Assert.All(markers.Skip(prefix), marker => Assert.False(marker.IsAcknowledged));
        }
    }

    /// <summary>Hard part 9: a flush of one volume need not flush its siblings.</summary>
    [Fact]
    public void A_flush_of_one_volume_leaves_its_siblings_alone()
    {
        ClusterHarness cluster = TwoVolumes();
        cluster.Write(cluster.Alpha, 0);
        cluster.Write(cluster.Alpha, 0, volume: 1);
        cluster.Run();
        Assert.True(cluster.Alpha.Disks[1].UnflushedCount > 0 && cluster.Beta.Disks[1].UnflushedCount > 0);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.True(flush.IsAcknowledged);
        Assert.Equal((0, 0), (cluster.Alpha.Disks[0].UnflushedCount, cluster.Beta.Disks[0].UnflushedCount));
        Assert.True(cluster.Alpha.Disks[1].UnflushedCount > 0 && cluster.Beta.Disks[1].UnflushedCount > 0);
    }

    [Fact]
    public void Sixty_four_volumes_share_one_stream()
    {
        ClusterHarness cluster = TwoVolumes(64);
        List<ClientRequest> writes = [];
        for (ushort v = 0; v < 64; v++)
            writes.Add(cluster.Write(cluster.Alpha, 4096L * v, volume: v));
        cluster.Run();
        Assert.All(writes, write => Assert.True(write.IsAcknowledged));
        cluster.AssertInSync();
        cluster.Cut();
        cluster.Run();
        cluster.AssertInSync();
    }

    private static CommandTicket CommandAndRun(ClusterHarness cluster, SimulatedNode node)
    {
        CommandTicket ticket = Remove(cluster, node, 1);
        cluster.Run();
        return ticket;
    }
}
