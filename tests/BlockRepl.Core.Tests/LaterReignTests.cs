using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>
/// Two nodes were Primary one after the other, without meeting, and on a volume neither has a generation that the other lacks. What counts there is what the later of the two had (G2, G4).
/// </summary>
public class LaterReignTests
{
    /// <summary>The first lost its power with what it had answered and not flushed; the second has it, and was killed before it wrote anything.</summary>
    [Fact]
    public void G2_where_both_crashed_as_Primary_the_one_that_kept_its_power_is_the_source()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.PowerCut();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Beta.Kill();
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        cluster.Beta.AssertHolds(write);
    }

    /// <summary>The second wrote to one volume. On the other the first had a change in flight that nobody was told of: beside what was written later it must not come back.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void G4_the_later_reign_counts_on_the_volumes_that_it_did_not_write_to(bool isKilled)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings => settings with { Volumes = ["postgres", "spool"] });
        ClientRequest before = cluster.Write(cluster.Alpha, 0, volume: 1);
        cluster.Run();
        ClientRequest lost = cluster.Write(cluster.Alpha, 0, volume: 1);
        while (cluster.CompleteOne(cluster.Alpha))
        {
            // On its own disk; the peer never gets it.
        }

        Assert.False(lost.IsAnswered);
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest later = cluster.Write(cluster.Beta, 4096, volume: 0);
        cluster.Run();
        Assert.True(before.IsAcknowledged && later.IsAcknowledged);
        if (isKilled)
        {
            cluster.Beta.Kill();
            cluster.StartBoth();
        }
        else
        {
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
            cluster.Alpha.Start();
            cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        }

        cluster.Run();
        cluster.AssertInSync();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            node.AssertHolds(before);
            node.AssertHolds(later);
        }
    }

    /// <summary>A Primary goes on by itself also beside an absent disk of its peer, and mirrors the other volumes: of those the peer has what this host loses with its power.</summary>
    [Fact]
    public void G2_who_went_on_beside_an_absent_disk_and_lost_power_is_not_the_source_of_the_other_volumes()
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings => settings with { Volumes = ["postgres", "spool"] });
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        cluster.Command(cluster.Beta, new OperatorCommand(OperatorVerb.Detach) { Volume = ClusterHarness.Volume0 });
        cluster.Run();
        cluster.Beta.CloseDetached();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Alpha, 0, volume: 0);
        ClientRequest mirrored = cluster.Write(cluster.Alpha, 0, volume: 1);
        cluster.Run();
        Assert.True(mirrored.IsAcknowledged);
        cluster.Alpha.PowerCut();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Beta.Attach(0);
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(mirrored);
        cluster.Beta.AssertHolds(mirrored);
    }

    /// <summary>G1, G2: the second Primary answered flushes, wrote nothing, was demoted or killed, and its host lost power as the first one's had. Only the second is sure to have what was acknowledged.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G1_who_took_over_and_wrote_nothing_is_the_source_although_both_lost_power(bool isDemoted)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.PowerCut();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest flush = cluster.Flush(cluster.Beta);
        cluster.Run();
        Assert.True(write.IsAcknowledged && flush.IsAcknowledged);
        if (isDemoted)
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        cluster.Beta.PowerCut();
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        cluster.Beta.AssertHolds(write);
        Assert.All(new[] { cluster.Alpha, cluster.Beta }, static node => Assert.Equal(PeerSlotFlags.None, node.Metadata[0].Superblock.Peers[0].Flags & PeerSlotFlags.TookOver));
    }

    /// <summary>A host that has lost power itself may lack what it had confirmed: that it was promoted since (fencing dont-care) does not make its data the better ones.</summary>
    [Fact]
    public void G2_who_lost_power_before_it_took_over_is_not_the_source()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Alpha.Kill();
        cluster.Beta.PowerCut();
        cluster.Beta.Start();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Command(cluster.Beta, OperatorVerb.Connect);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        cluster.Beta.AssertHolds(write);
    }

    /// <summary>Nobody took over with everything stable (metadata of format version 1 cannot say it), and both crashed as Primary: who kept its power has it all. Both nodes must say the same.</summary>
    [Fact]
    public void G2_of_two_that_crashed_as_Primary_the_one_that_kept_its_power_is_the_source_without_any_flag()
    {
        GenerationFacts lost = Crashed("alpha") with { LostPower = true };
        GenerationFacts kept = Crashed("beta");
        Assert.Equal(SyncResult.TargetBitmap, SyncDecision.Decide(lost, kept).Result);
        Assert.Equal(SyncResult.SourceBitmap, SyncDecision.Decide(kept, lost).Result);
        GenerationFacts oldLost = lost with { IsVersion1 = true };
        GenerationFacts oldKept = kept with { IsVersion1 = true };
        Assert.Equal(SyncResult.SourceBitmap, SyncDecision.Decide(oldLost, oldKept).Result);
    }

    /// <summary>The flag outlived the next connection, because a crash came before its end was durable. The Primary that was killed since kept its power, and with it what its peer lost: the flag must not count against it.</summary>
    [Fact]
    public void G2_a_flag_that_a_crash_has_brought_back_does_not_count_against_who_kept_its_power()
    {
        GenerationFacts primary = Crashed("alpha");
        GenerationFacts survivor = Crashed("beta") with { CrashedPrimary = false, LostPower = true, TookOver = true };
        Assert.Equal(SyncResult.SourceBitmap, SyncDecision.Decide(primary, survivor).Result);
        Assert.Equal(SyncResult.TargetBitmap, SyncDecision.Decide(survivor, primary).Result);
        Assert.Equal(SyncResult.TargetBitmap, SyncDecision.Decide(primary with { LostPower = true }, survivor).Result);
        Assert.Equal(SyncResult.SourceBitmap, SyncDecision.Decide(survivor, primary with { LostPower = true }).Result);
    }

    private static GenerationFacts Crashed(string node) => new()
    {
        Node = node,
        Role = Role.Secondary,
        DiskState = DiskState.UpToDate,
        Current = new(0x10),
        Bitmap = GenerationId.None,
        History = [],
        DirtyBlocks = 3,
        CrashedPrimary = true,
    };
}
