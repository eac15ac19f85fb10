using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Sim;
using static BlockRepl.Core.Tests.FencingTests;

namespace BlockRepl.Core.Tests;

/// <summary>A peer that was fenced, or was to be, comes back under a Primary that holds its clients or has evidence (G13).</summary>
public class FenceReturnTests
{
    private static readonly VolumeNr V = ClusterHarness.Volume0;

    /// <summary>G13: the peer's return releases what was held only when the peer has it, or cannot be promoted without it.</summary>
    [Fact]
    public void G13_what_was_held_is_answered_only_when_the_returned_peer_cannot_go_on_without_it()
    {
        ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        Lose(cluster);
        cluster.IsNetworkUp = true;
        while (!write.IsAnswered)
            Assert.True(cluster.StepOnce());
        Assert.True(write.IsAcknowledged);
        bool cannotGoOn = (cluster.Beta.Metadata[0].Superblock.Flags & SuperblockFlags.Consistent) == 0;
        bool hasIt = ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[0]) == write.Id;
        Assert.True(cannotGoOn || hasIt);
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>G6, G13: at every step of a return, cut there: either the evidence is gone, or the peer has not become UpToDate.</summary>
    [Fact]
    public void G13_evidence_is_given_up_durably_before_the_peer_can_become_UpToDate()
    {
        int checks = 0;
        for (int steps = 0; steps < 200; steps++)
        {
            ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
            Lose(cluster);
            cluster.CompleteHandler(cluster.Beta, HandlerKind.Disconnected, 0);
            cluster.CommandAndRun(cluster.Beta, OperatorVerb.Outdate);
            cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
            cluster.Run();
            cluster.Write(cluster.Alpha, 0);
            cluster.Run();
            cluster.IsNetworkUp = true;
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Beta.Kill();
            if (IsKnownOutdated(cluster.Alpha))
            {
                checks++;
                Assert.NotEqual(DiskState.UpToDate, StateIn(cluster.Beta.Metadata[0].Superblock));
            }
        }

        Assert.NotEqual(0, checks);
    }

    /// <summary>At every step of a return, cut there: a Primary that holds nothing back has a peer that is known not to go on.</summary>
    [Fact]
    public void G13_a_return_that_is_cut_anywhere_leaves_the_peer_fenced_or_the_Primary_frozen()
    {
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = InSync(FencingPolicy.ResourceAndStonith);
            Lose(cluster);
            cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 7);
            cluster.Run();
            cluster.Write(cluster.Alpha, 0);
            cluster.Run();
            cluster.IsNetworkUp = true;
            int done = 0;
            while (done < steps && cluster.StepOnce())
                done++;
            if (done < steps)
                break;
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
            ClientRequest write = cluster.Write(cluster.Alpha, 4096);
            cluster.Run();
            if (write.IsAnswered)
            {
                Assert.True(IsKnownOutdated(cluster.Alpha), $"after {steps} steps");
            }
            else
            {
                Assert.Contains(cluster.Alpha.Handlers, call => call.Kind == HandlerKind.FencePeer);
                cluster.CompleteHandler(cluster.Alpha, HandlerKind.FencePeer, 4);
                cluster.Run();
                Assert.True(write.IsAcknowledged);
            }
        }
    }
}
