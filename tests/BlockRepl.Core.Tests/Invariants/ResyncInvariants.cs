using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Invariants;

/// <summary>Resync beside everything else.</summary>
public class ResyncInvariants
{
    /// <summary>I4: the same blocks are written again and again while they are resynced; the newest write is what stays, on both nodes.</summary>
    [Fact]
    public void I4_newer_write_wins_over_older_resync_data()
    {
        for (ulong seed = 1; seed <= 20; seed++)
        {
            var chance = new Prng(seed);
            ClusterHarness cluster = ResyncTests.WithMissedWrites(20);
            cluster.IsNetworkUp = true;
            Dictionary<long, ClientRequest> newest = [];
            for (int i = 0; i < 300; i++)
            {
                SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
                List<PendingOperation> operations = [.. node.Completable()];
                if (chance.OneIn(4))
                {
                    long block = chance.Below(20) * 4L;
                    newest[block] = cluster.Write(cluster.Alpha, block * Block.Size);
                }
                else if (operations.Count > 0)
                {
                    cluster.Complete(node, operations[chance.Below(operations.Count)]);
                }
                else if (!cluster.Deliver(node))
                {
                    cluster.TryEstablish();
                }
            }

            cluster.Run();
            cluster.AssertInSync();
            foreach (ClientRequest write in newest.Values)
            {
                Assert.True(write.IsAcknowledged);
                cluster.Beta.AssertHolds(write);
            }
        }
    }

    /// <summary>I5: a mark that lands where the resync has been already is taken up before the resync ends.</summary>
    [Fact]
    public void I5_a_mark_behind_the_scan_is_still_resynced()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(40);
        cluster.IsNetworkUp = true;
        while (!cluster.Alpha.Effects.Contains(EffectKind.SendResyncData))
            Assert.True(cluster.StepOnce());

        // The disk has no room for it, the peer has: the two differ in a block that was sent already.
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        while (!cluster.Alpha.Pending.Exists(o => o.Kind == EffectKind.LocalChange))
            Assert.True(cluster.StepOnce());
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange, DiskResult.NoSpace);
        cluster.Run();
        Assert.Equal(DiskResult.NoSpace, write.Result);
        cluster.AssertInSync();
    }

    /// <summary>I13: a range without data counts as data: what the peer has there goes.</summary>
    [Fact]
    public void I13_a_zero_range_in_a_resync_counts_as_data()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest there = cluster.Write(cluster.Alpha, 8 * Block.Size, 8 * Block.Size);
        cluster.Run();
        cluster.Beta.AssertHolds(there);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        ClientRequest trim = cluster.Change(cluster.Alpha, ChangeKind.Trim, 8 * Block.Size, 8 * Block.Size);
        cluster.Run();
        Assert.True(trim.IsAcknowledged);
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(0u, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[8]));
    }

    /// <summary>I16: with fencing, who survives a Primary stays Consistent, also over a restart, until the peer has told it that nothing is newer.</summary>
    [Fact]
    public void I16_the_survivor_of_a_lost_Primary_stays_Consistent_until_proven_newest()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Fencing = FencingPolicy.ResourceOnly });
        cluster.Alpha.Kill();
        cluster.Run();
        Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.RunDisk(cluster.Beta);
        Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();

        // Killed while it was UpToDate it cannot know either what the Primary did since.
        cluster.Beta.Kill();
        cluster.Beta.Start();
        cluster.RunDisk(cluster.Beta);
        Assert.Equal(DiskState.Consistent, cluster.Beta.Status.DiskState(ClusterHarness.Volume0));
    }
}
