using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>checksum-resync: blocks that are equal are found and not sent (I4, G9, hard part 4).</summary>
public class ChecksumResyncTests
{
    private static ClusterHarness WithData(ResyncChecksums when = ResyncChecksums.Always)
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { ResyncChecksums = when });
        for (int i = 0; i < 32; i++)
            cluster.Write(cluster.Alpha, i * 64L << 10, 64 << 10);
        cluster.Run();
        return cluster;
    }

    private static int PiecesSent(ClusterHarness cluster, int since) =>
        cluster.Alpha.Effects.Skip(since).Count(e => e == EffectKind.SendResyncData);

    [Fact]
    public void Only_blocks_that_differ_are_sent()
    {
        ClusterHarness cluster = WithData();
        var rot = new byte[Block.Size];
        rot.AsSpan().Fill(0xEE);
        foreach (int block in new[] { 0, 17, 18, 63, 64, 500 })
            cluster.Beta.Disks[0].Cache[block] = rot;
        int before = cluster.Alpha.Effects.Count;
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        long equal = 0;
        while (cluster.StepOnce())
        {
            if (cluster.Alpha.Status.Resync(ClusterHarness.Volume0, ClusterHarness.PeerOf) is { } progress)
                equal = progress.EqualBytes;
        }

        cluster.AssertInSync();
        Assert.Equal((2 << 20) - (6 * Block.Size), equal);

        // Five runs of blocks that differ, and the hole behind the data.
        Assert.InRange(PiecesSent(cluster, before), 5, 15);
    }

    [Fact]
    public void Off_and_after_crash_only_compare_nothing_in_an_ordinary_resync()
    {
        foreach (ResyncChecksums when in new[] { ResyncChecksums.Never, ResyncChecksums.AfterCrash })
        {
            ClusterHarness cluster = WithData(when);
            int before = cluster.Alpha.Effects.Count;
            cluster.CommandAndRun(cluster.Beta, OperatorVerb.Invalidate);
            cluster.AssertInSync();
            Assert.True(PiecesSent(cluster, before) >= 8);
        }
    }

    [Fact]
    public void After_the_crash_of_a_Primary_whole_extents_are_marked_and_little_is_sent()
    {
        ClusterHarness cluster = WithData(ResyncChecksums.AfterCrash);
        cluster.Alpha.Kill();
        cluster.Run();
        cluster.Alpha.Start();
        cluster.Run();
        int before = cluster.Alpha.Effects.Count;
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        long equal = 0;
        while (cluster.StepOnce())
        {
            if (cluster.Alpha.Status.Resync(ClusterHarness.Volume0, ClusterHarness.PeerOf) is { } progress)
                equal = progress.EqualBytes;
        }

        cluster.AssertInSync();
        Assert.Equal(2 << 20, equal);
        Assert.Contains(cluster.Alpha.Log, line => line.Contains("resync done as source, 4194304 bytes", StringComparison.Ordinal));

        // What is left is the hole behind the data.
        Assert.InRange(PiecesSent(cluster, before), 0, 8);
    }

    [Fact]
    public void A_version_1_peer_gets_data()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with
        {
            ResyncChecksums = ResyncChecksums.Always,
            NewestProtocol = s.NodeName == "beta" ? ProtocolVersion.V1 : ProtocolVersion.V2,
        });
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>I4: what is written while a range is compared is on both sides afterwards, whatever the comparison said.</summary>
    [Fact]
    public void I4_writes_into_ranges_that_are_being_compared_win()
    {
        for (ulong seed = 1; seed <= 30; seed++)
        {
            ClusterHarness cluster = WithData();
            var chance = new Prng(seed);
            var rot = new byte[Block.Size];
            rot.AsSpan().Fill(0xEE);
            for (int i = 0; i < 20; i++)
                cluster.Beta.Disks[0].Cache[chance.Below(512)] = rot;
            cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
            List<ClientRequest> writes = [];
            bool moves = true;
            while (moves || writes.Count < 60)
            {
                if (writes.Count < 60 && chance.OneIn(3))
                    writes.Add(cluster.Write(cluster.Alpha, chance.Below(510) * (long)Block.Size, (1 + chance.Below(2)) * Block.Size));
                SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
                List<PendingOperation> operations = [.. node.Completable()];
                if (operations.Count > 0 && chance.OneIn(2))
                {
                    cluster.Complete(node, operations[chance.Below(operations.Count)]);
                    continue;
                }

                moves = cluster.Deliver(node) || cluster.StepOnce();
            }

            cluster.Run();
            Assert.All(writes, w => Assert.True(w.IsAcknowledged));
            cluster.AssertInSync();
            foreach (ClientRequest last in writes.GroupBy(w => w.Range).Select(g => g.Last()))
            {
                if (!writes.Exists(w => w.Id > last.Id && w.Range.Overlaps(last.Range)))
                    cluster.Beta.AssertHolds(last);
            }
        }
    }

    /// <summary>Hard part 4: blocks that compared equal keep their marks until both sides have flushed; whatever is cut, nothing unflushed is taken for equal.</summary>
    [Theory]
    [InlineData("cut")]
    [InlineData("kill alpha")]
    [InlineData("kill beta")]
    [InlineData("power alpha")]
    [InlineData("power beta")]
    public void G9_a_resync_by_checksum_may_be_interrupted_at_any_step(string how)
    {
        for (int step = 0; ; step += step < 30 ? 1 : 4)
        {
            // Nothing is flushed: what beta has equal may be lost with its power.
            ClusterHarness cluster = WithData(ResyncChecksums.AfterCrash);
            cluster.Alpha.Kill();
            cluster.Run();
            SparseImage wanted = cluster.Alpha.Disks[0].Cache.Clone();
            cluster.Alpha.Start();
            cluster.Run();
            cluster.Command(cluster.Alpha, OperatorVerb.Connect);
            bool isOver = false;
            for (int i = 0; i < step && !isOver; i++)
                isOver = !cluster.StepOnce();
            if (isOver)
            {
                Assert.True(step > 30);
                return;
            }

            SimulatedNode node = how.EndsWith("alpha", StringComparison.Ordinal) ? cluster.Alpha : cluster.Beta;
            if (how == "cut")
                cluster.Cut();
            else if (how.StartsWith("kill", StringComparison.Ordinal))
                node.Kill();
            else
                node.PowerCut();
            cluster.CutSilently();
            cluster.NoticeLinkDown(cluster.Other(node));
            cluster.Run();
            if (!node.IsAlive)
            {
                node.Start();
                cluster.CommandAndRun(node, OperatorVerb.Connect);
            }

            cluster.Run();
            cluster.AssertInSync();
            if (how != "power alpha")
                Assert.Empty(wanted.Differences(cluster.Beta.Disks[0].Cache));
        }
    }

    /// <summary>A block that is marked again after its hash was sent is sent again, though it compared equal (I5).</summary>
    [Fact]
    public void I5_a_mark_that_lands_while_a_range_is_compared_is_honoured()
    {
        ClusterHarness cluster = WithData();
        cluster.Command(cluster.Beta, OperatorVerb.Invalidate);
        while (!cluster.Beta.Pending.Exists(o => o.Kind == EffectKind.ResyncRead))
            Assert.True(cluster.StepOnce());

        // The Primary's disk is full: the peer takes the write, this node does not.
        ClientRequest refused = cluster.Write(cluster.Alpha, 0);
        cluster.Complete(cluster.Alpha, cluster.Alpha.Pending.First(o => o.Kind == EffectKind.LocalChange), DiskResult.NoSpace);
        cluster.Run();
        Assert.Equal(DiskResult.NoSpace, refused.Result);
        cluster.AssertInSync();
    }
}
