using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>What the victim of a split brain loses is saved before one block of it is overwritten (G7, docs/save-file-format.md).</summary>
public class SplitBrainSaveTests
{
    private static readonly VolumeNr Volume = ClusterHarness.Volume0;

    [Fact]
    public void G7_the_victims_changes_are_saved_before_the_resync_begins()
    {
        ClusterHarness cluster = BetaLoses();
        SaveRequest request = Saving(cluster);
        Assert.Equal([16L, 32L], Marked(request.Blocks!));
        Assert.Equal(cluster.Beta.Disks[0].SizeBytes, request.VolumeBytes);
        Assert.Equal(cluster.Beta.Metadata[0].Superblock.Current, request.Generation);
        Assert.True(request.SinceMs > 0);

        // Nothing else can happen before it is over: the data here is what it was, and so is what the metadata says of it.
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(Volume));
        Assert.NotEqual(0UL, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[16]));
        Assert.Equal(CommandResult.NoUpToDateData("", "").ExitCode, Promote(cluster));
        Assert.Contains(cluster.Beta.Status.WaitingFor(Volume), static what => what.Contains("is saved", StringComparison.Ordinal));
        cluster.Beta.CompleteSave("/saved", "");
        cluster.Run();
        cluster.AssertInSync();
        Assert.Contains(cluster.Beta.Log, static line => line.Contains("is saved in /saved", StringComparison.Ordinal));
        Assert.Null(cluster.Alpha.Saving);
    }

    [Fact]
    public void G7_without_a_save_there_is_no_resync_and_both_nodes_say_why()
    {
        ClusterHarness cluster = BetaLoses();
        ulong kept = ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[16]);
        cluster.Beta.CompleteSave("", "/var/lib/blockrepl: No space left on device");
        cluster.Run();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.Equal(ConnectionState.StandAlone, node.Status.ConnectionState(ClusterHarness.PeerOf));
            Assert.Contains("No space left on device", node.Status.Detail(ClusterHarness.PeerOf), StringComparison.Ordinal);
        }

        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(Volume));
        Assert.Equal(kept, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[16]));

        // The word that named the victim is spent: the next connection needs a new one.
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        Assert.Equal(ConnectionState.StandAlone, cluster.Beta.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Null(cluster.Beta.Saving);
    }

    [Fact]
    public void A_full_resync_waits_for_the_save_of_the_whole_volume()
    {
        ClusterHarness cluster = SplitBrainTests.Diverged();
        cluster.Beta.HoldsSaves = true;
        cluster.Beta.Kill();
        Superblock superblock = cluster.Beta.Metadata[0].Superblock;
        PeerSlot slot = superblock.Peers[0];
        cluster.Beta.Metadata[0].Superblock = superblock.WithPeer(0, slot with { Flags = slot.Flags | PeerSlotFlags.FullSync });
        cluster.Beta.Start();
        cluster.Command(cluster.Beta, OperatorVerb.Connect, discardMyData: true);
        SplitBrainTests.Join(cluster);
        Assert.Null(Saving(cluster).Blocks);
        Assert.Equal(ReplicationState.WFBitMapT, cluster.Beta.Status.ReplicationState(Volume, ClusterHarness.PeerOf));
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(Volume));
        cluster.Beta.CompleteSave("/saved", "");
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>An answer to a connection that is gone does not let the next one go on; and what is saved already is not saved again, until somebody has written.</summary>
    [Fact]
    public void A_save_counts_for_the_connection_that_asked_and_its_file_for_the_next()
    {
        ClusterHarness cluster = BetaLoses();
        SaveRequest first = Saving(cluster);
        cluster.Cut();
        cluster.Run();
        SaveRequest second = Saving(cluster);
        Assert.NotSame(first, second);
        cluster.Beta.CompleteSave("/first", "", first);
        cluster.Run();
        Assert.Equal(DiskState.UpToDate, cluster.Beta.Status.DiskState(Volume));
        cluster.Beta.CompleteSave("/second", "", second);
        while (cluster.Alpha.Status.ReplicationState(Volume, ClusterHarness.PeerOf) != ReplicationState.WFBitMapS)
            Assert.True(cluster.StepOnce());
        cluster.Cut();
        cluster.Run();
        Assert.Null(cluster.Beta.Saving);
        cluster.AssertInSync();
    }

    [Fact]
    public void With_split_brain_save_off_nothing_is_saved()
    {
        ClusterHarness cluster = SplitBrainTests.Diverged(s => s with { SavesSplitBrain = false });
        cluster.Command(cluster.Beta, OperatorVerb.Connect, discardMyData: true);
        SplitBrainTests.Join(cluster);
        cluster.AssertInSync();
        Assert.DoesNotContain(EffectKind.SaveBlocks, cluster.Beta.Effects);
    }

    [Fact]
    public void A_target_that_has_not_diverged_saves_nothing()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        SplitBrainTests.Join(cluster);
        cluster.AssertInSync();
        Assert.DoesNotContain(EffectKind.SaveBlocks, cluster.Beta.Effects);
    }

    private static ClusterHarness BetaLoses()
    {
        ClusterHarness cluster = SplitBrainTests.Diverged();
        cluster.Beta.HoldsSaves = true;
        cluster.Command(cluster.Beta, OperatorVerb.Connect, discardMyData: true);
        SplitBrainTests.Join(cluster);
        return cluster;
    }

    private static SaveRequest Saving(ClusterHarness cluster)
    {
        Assert.NotNull(cluster.Beta.Saving);
        return cluster.Beta.Saving;
    }

    private static int Promote(ClusterHarness cluster) => cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary, force: true).ExitCode;

    private static List<long> Marked(DirtyBitmap blocks)
    {
        List<long> marked = [];
        for (long block = blocks.FindNextSet(0); block >= 0; block = blocks.FindNextSet(block + 1))
            marked.Add(block);
        return marked;
    }
}
