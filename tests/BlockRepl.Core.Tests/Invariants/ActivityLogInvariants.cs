using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Invariants;

/// <summary>The smallest log that DRBD allows under writes over hundreds of extents (drbd-tests: stress-al).</summary>
public class ActivityLogInvariants
{
    private const long Extent = 1L << ActivityLog.ExtentShift;
    private const int ExtentsWritten = 300;
    private const long VolumeBytes = 320 * Extent;

    /// <summary>I1, I21, hard part 2: after a crash at any moment everything that is not stable on both nodes is marked, and no more than the log can name beside what was marked.</summary>
    [Theory]
    [InlineData(1UL, true)]
    [InlineData(2UL, true)]
    [InlineData(3UL, false)]
    [InlineData(4UL, false)]
    public void I21_after_a_crash_everything_that_may_differ_is_marked(ulong seed, bool powerLoss)
    {
        var cluster = Loaded();
        var chance = new Prng(seed);
        int crashAfter = 200 + chance.Below(600);
        for (int i = 0; i < crashAfter; i++)
        {
            if (chance.OneIn(3))
                cluster.Write(cluster.Alpha, chance.Below(ExtentsWritten) * Extent + chance.Below(1000) * (long)Block.Size, Block.Size * (1 + chance.Below(2)));
            else if (chance.OneIn(40))
                cluster.Flush(cluster.Alpha);
            else
                cluster.StepOnce();
            Assert.True(cluster.Alpha.Metadata[0].ActiveExtents.Count <= Superblock.ActivityLogExtentsMin);
        }

        cluster.IsNetworkUp = false;
        cluster.Cut();
        if (powerLoss)
            cluster.Alpha.PowerCut(chance);
        else
            cluster.Alpha.Kill(chance);
        foreach (long block in cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[0].Cache))
            Assert.True(cluster.Alpha.Metadata[0].IsOnRecord(block), $"block {block} differs and is not on record");

        int extents = cluster.Alpha.Metadata[0].ActiveExtents.Count;
        cluster.Alpha.Start();
        cluster.RunDisk(cluster.Alpha);
        Assert.NotEqual(0, extents);
        Assert.Equal(extents, cluster.Alpha.Status.AppliedLog(ClusterHarness.Volume0).Extents);
        Assert.Equal(extents * Extent, cluster.Alpha.Status.AppliedLog(ClusterHarness.Volume0).Bytes);
        Assert.Contains(cluster.Alpha.Log, line => line.Contains($"the activity log names {extents} extents, {extents * Extent} bytes: marked", StringComparison.Ordinal));
        foreach (long block in cluster.Alpha.Disks[0].Cache.Differences(cluster.Beta.Disks[0].Cache))
            Assert.True(cluster.Alpha.Metadata[0].Read(VolumeBytes, Guid.Empty).Bitmaps[0].IsSet(block), $"block {block} differs and has no mark after the attachment");
        Assert.Empty(cluster.Alpha.Metadata[0].ActiveExtents);

        cluster.IsNetworkUp = true;
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
    }

    /// <summary>Hard part 6: an orderly end leaves an empty log, no mark, and a flag; the next start proves it by not resyncing.</summary>
    [Fact]
    public void Hard_part_06_an_orderly_end_leaves_nothing_to_resync()
    {
        ClusterHarness cluster = Loaded();
        for (int i = 0; i < ExtentsWritten; i++)
        {
            cluster.Write(cluster.Alpha, i * Extent);
            if (i % 16 == 0)
                cluster.Run();
        }

        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary).ExitCode);
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            Assert.Equal(0, cluster.CommandAndRun(node, OperatorVerb.Down).ExitCode);
            Assert.Empty(node.Metadata[0].ActiveExtents);
            Assert.Equal(0, node.Metadata[0].MarkedBlocks);
            Assert.NotEqual(SuperblockFlags.None, node.Metadata[0].Superblock.Flags & SuperblockFlags.CleanShutdown);
            node.PowerCut();
        }

        cluster.AssertIdentical();
        int before = cluster.Alpha.Effects.Count;
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        Assert.DoesNotContain(cluster.Alpha.Effects.Skip(before), kind => kind == EffectKind.SendResyncData);
        Assert.Equal(default, cluster.Alpha.Status.AppliedLog(ClusterHarness.Volume0));
    }

    /// <summary>G12: changes over more extents than the log has places are all done, none waits for ever.</summary>
    [Fact]
    public void G12_writes_over_hundreds_of_extents_are_all_answered()
    {
        ClusterHarness cluster = Loaded();
        ClientRequest[] writes = [.. Enumerable.Range(0, ExtentsWritten).Select(i => cluster.Write(cluster.Alpha, (i * 7 % ExtentsWritten) * Extent))];
        cluster.Run();
        Assert.All(writes, write => Assert.True(write.IsAcknowledged));
        cluster.AssertInSync();
    }

    private static ClusterHarness Loaded() => ClusterHarness.InSync(volumeBytes: VolumeBytes, extents: Superblock.ActivityLogExtentsMin);
}
