using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Thin resync: zeroes travel without data, holes in large pieces (hard part 13, I13).</summary>
public class ThinResyncTests
{
    /// <summary>resync-discard: a mostly empty volume takes messages for what it holds, not for its size.</summary>
    [Fact]
    public void A_sparse_volume_is_resynced_in_pieces_of_64_MiB()
    {
        var cluster = new ClusterHarness(volumeBytes: 16L << 30);
        cluster.IsNetworkUp = false;
        cluster.StartBoth();
        cluster.Run();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary, force: true);
        ClientRequest first = cluster.Write(cluster.Alpha, 5L << 30);
        ClientRequest second = cluster.Write(cluster.Alpha, (16L << 30) - Block.Size);
        cluster.Run();
        Assert.True(first.IsAcknowledged && second.IsAcknowledged);
        cluster.IsNetworkUp = true;
        cluster.Run();
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(first);
        cluster.Beta.AssertHolds(second);
        int pieces = cluster.Alpha.Effects.Count(e => e == EffectKind.SendResyncData);
        Assert.InRange(pieces, 256, 300);
    }

    /// <summary>A write into a piece that is being looked at as a hole waits for it, and wins (I4).</summary>
    [Fact]
    public void I4_a_write_into_a_hole_that_is_being_resynced_wins()
    {
        var cluster = new ClusterHarness(volumeBytes: 1L << 30);
        cluster.StartBoth();
        cluster.Run();
        cluster.Command(cluster.Alpha, OperatorVerb.Primary, force: true);
        List<ClientRequest> writes = [];
        for (int i = 0; cluster.StepOnce(); i++)
        {
            if (i > 20 && i % 3 == 0 && writes.Count < 60)
                writes.Add(cluster.Write(cluster.Alpha, writes.Count * 16L << 20));
        }

        Assert.All(writes, w => Assert.True(w.IsAcknowledged));
        cluster.AssertInSync();
        Assert.All(writes, w => cluster.Beta.AssertHolds(w));
    }

    /// <summary>What the target holds where the source has a hole is overwritten with zeroes.</summary>
    [Fact]
    public void Old_data_on_the_target_disappears_where_the_source_has_a_hole()
    {
        var cluster = new ClusterHarness(volumeBytes: 256L << 20);
        var old = new byte[Block.Size];
        old.AsSpan().Fill(0xEE);
        for (int i = 0; i < 100; i++)
            cluster.Beta.Disks[0].Cache[i * 500L] = old;
        cluster.StartBoth();
        cluster.Run();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary, force: true);
        cluster.AssertInSync();
    }
}
