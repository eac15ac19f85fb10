using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Versions;

/// <summary>
/// G15: a node that speaks version 1 beside one of this build, on either side and in either role. Every frame on their links is held against the rules of version 1
/// (<see cref="LinkVersions"/>), so each of these tests fails if anything later is sent.
/// </summary>
public class MixedVersionTests
{
    public static TheoryData<string> OldNodes => ["alpha", "beta"];

    [Theory]
    [MemberData(nameof(OldNodes))]
    public void G15_initial_sync_writes_and_flush(string old)
    {
        var cluster = new ClusterHarness(Old(old));
        cluster.StartBoth();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary, force: true).ExitCode);
        Assert.Equal(1u, cluster.Alpha.Status.ProtocolVersion(ClusterHarness.PeerOf));
        ClientRequest[] writes = [.. Enumerable.Range(0, 5).Select(i => cluster.Write(cluster.Alpha, i * 4096L, flags: (ChangeFlags)(i & 1)))];
        cluster.Change(cluster.Alpha, ChangeKind.Trim, 4096, 4096);
        cluster.Change(cluster.Alpha, ChangeKind.Zeroes, 0, 4096);
        ClientRequest flush = cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.All(writes, w => Assert.True(w.IsAcknowledged));
        Assert.True(flush.IsAcknowledged);
        cluster.AssertInSync();
        cluster.Beta.AssertHolds(writes[3]);
    }

    [Theory]
    [MemberData(nameof(OldNodes))]
    public void G15_resync_with_writes_during_it(string old)
    {
        ClusterHarness cluster = ClusterHarness.InSync(Old(old));
        cluster.IsNetworkUp = false;
        cluster.Cut();
        for (int i = 0; i < 20; i++)
            cluster.Write(cluster.Alpha, i * 4L * Block.Size);
        cluster.Run();
        cluster.IsNetworkUp = true;
        List<ClientRequest> during = [];
        for (int i = 0; cluster.StepOnce(); i++)
        {
            if (i % 4 == 0 && during.Count < 30)
                during.Add(cluster.Write(cluster.Alpha, during.Count * 2L * Block.Size));
        }

        Assert.All(during, w => Assert.True(w.IsAcknowledged));
        cluster.AssertInSync();
    }

    [Theory]
    [MemberData(nameof(OldNodes))]
    public void G15_failover_and_return_of_the_crashed_Primary(string old)
    {
        ClusterHarness cluster = ClusterHarness.InSync(Old(old));
        ClientRequest kept = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.Write(cluster.Alpha, 4096);
        cluster.Complete(cluster.Alpha, EffectKind.LocalChange);
        cluster.CutSilently();
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Beta.AssertHolds(kept);
        ClientRequest alone = cluster.Write(cluster.Beta, 65536);
        cluster.Run();
        Assert.True(alone.IsAcknowledged);
        cluster.Alpha.Start();
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(alone);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Theory]
    [MemberData(nameof(OldNodes))]
    public void G15_a_split_brain_is_seen_on_both_sides_and_resolved(string old)
    {
        ClusterHarness cluster = ClusterHarness.InSync(Old(old));
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Write(cluster.Alpha, 0);
        cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Secondary);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary);
        ClientRequest kept = cluster.Write(cluster.Beta, 0);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary);
        cluster.IsNetworkUp = true;
        cluster.Run();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
            Assert.Equal(ConnectionState.StandAlone, node.Status.ConnectionState(ClusterHarness.PeerOf));
        cluster.Command(cluster.Alpha, OperatorVerb.Connect, discardMyData: true);
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(kept);
    }

    [Theory]
    [MemberData(nameof(OldNodes))]
    public void G15_random_histories(string old)
    {
        for (ulong seed = 5001; seed <= 5030; seed++)
        {
            var run = new RandomRun(seed, isReckless: seed % 2 == 0, Old(old));
            try
            {
                run.Execute();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, {old} speaks version 1: {e.Message}\n{run.History(60)}", e);
            }
        }
    }

    [Fact]
    public void G15_two_nodes_of_this_build_speak_the_newest_version()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        Assert.Equal((ulong)ProtocolVersion.Newest, cluster.Link!.Versions.Agreed);
        Assert.Equal((uint)ProtocolVersion.Newest, cluster.Beta.Status.ProtocolVersion(ClusterHarness.PeerOf));
    }

    /// <summary>The watch itself: what version 1 does not know never passes a link that agreed on it.</summary>
    [Theory]
    [InlineData("A80100", "it does not begin with a body")]
    [InlineData("AA0100", "frame number 21 came after version 1")]
    [InlineData("320408091003", "the checksum is not the last field")]
    public void A_frame_that_version_1_does_not_know_is_caught(string frame, string why) =>
        Assert.Equal(why, Version1Rules.Refuse(Convert.FromHexString(frame)));

    [Fact]
    public void A_value_that_version_1_does_not_know_is_caught()
    {
        byte[] frame = PeerMessageCodec.Encode(new PeerStatusMessage(Role.Secondary, [new(new(0), (DiskState)9, 0)]));
        Assert.Contains("disk state 9", Version1Rules.Refuse(frame), StringComparison.Ordinal);
    }

    private static Func<ResourceSettings, ResourceSettings> Old(string node) =>
        s => s.NodeName == node ? s with { NewestProtocol = ProtocolVersion.V1 } : s;
}
