using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Settings that change while a resource is up.</summary>
public class SettingsChangeTests
{
    private static string Disagreement(SimulatedNode node) => node.Status.Disagreement(ClusterHarness.PeerOf);

    private static WriteProtocol InForce(SimulatedNode node) => node.Status.ProtocolInForce(ClusterHarness.PeerOf);

    [Fact]
    public void A_protocol_changed_on_one_node_leaves_the_safer_in_force_until_the_other_says_the_same()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Alpha.Reconfigure(settings => settings with { Protocol = WriteProtocol.A });
        cluster.Run();
        Assert.Equal(WriteProtocol.C, InForce(cluster.Alpha));
        Assert.Equal(WriteProtocol.C, InForce(cluster.Beta));
        Assert.Contains("protocol A here, C on beta: C is in force", Disagreement(cluster.Alpha), StringComparison.Ordinal);
        Assert.Contains("protocol C here, A on alpha: C is in force", Disagreement(cluster.Beta), StringComparison.Ordinal);

        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.Null(write.Result);
        cluster.Run();
        Assert.True(write.IsAcknowledged);

        cluster.Beta.Reconfigure(settings => settings with { Protocol = WriteProtocol.A });
        cluster.Run();
        Assert.Equal("", Disagreement(cluster.Alpha) + Disagreement(cluster.Beta));
        write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void G2_from_the_moment_that_C_is_in_force_again_a_write_waits_for_the_peer()
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings => settings with { Protocol = WriteProtocol.A });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest before = cluster.Write(cluster.Alpha, 0);
        cluster.Alpha.Reconfigure(settings => settings with { Protocol = WriteProtocol.C });
        ClientRequest after = cluster.Write(cluster.Alpha, 1 << 20);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(before.IsAcknowledged);
        Assert.Null(after.Result);
        cluster.Run();
        Assert.True(after.IsAcknowledged);
        cluster.AssertInSync();
    }

    /// <summary>
    /// The record that changes are answered early goes as soon as the peer has the last of them, also when nothing else happens then: else a Primary that loses power overwrites what was answered under protocol C (rule 40).
    /// </summary>
    [Fact]
    public void G2_the_record_of_early_answers_goes_with_the_last_of_them()
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings => settings with { Protocol = WriteProtocol.A });
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        ClientRequest early = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(early.IsAcknowledged);
        cluster.Alpha.Reconfigure(settings => settings with { Protocol = WriteProtocol.C });
        cluster.Run();
        Assert.False(EarlyAnswers.IsOnRecord(cluster.Alpha.Metadata[0].Superblock, 0));
        ClientRequest write = cluster.Write(cluster.Alpha, 1 << 20);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.PowerCut();
        cluster.NoticeLinkDown(cluster.Beta);
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        cluster.Beta.AssertHolds(write);
    }

    /// <summary>The two nodes' files differ also across a lost connection: they still connect, and the safer word counts.</summary>
    [Theory]
    [InlineData(WriteProtocol.A, WriteProtocol.C, WriteProtocol.C)]
    [InlineData(WriteProtocol.B, WriteProtocol.A, WriteProtocol.B)]
    public void Nodes_whose_protocols_differ_connect(WriteProtocol alpha, WriteProtocol beta, WriteProtocol inForce)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Cut();
        cluster.Alpha.Reconfigure(settings => settings with { Protocol = alpha });
        cluster.Beta.Reconfigure(settings => settings with { Protocol = beta });
        cluster.Run();
        cluster.AssertInSync();
        Assert.Equal(inForce, InForce(cluster.Alpha));
        Assert.Equal(inForce, InForce(cluster.Beta));
        Assert.True(Write(cluster).IsAcknowledged);
    }

    /// <summary>A change in the middle of a handshake is not lost: both sides end with the same.</summary>
    [Fact]
    public void A_protocol_changed_during_a_handshake_is_agreed_on()
    {
        for (int steps = 0; steps < 12; steps++)
        {
            ClusterHarness cluster = ClusterHarness.InSync();
            cluster.Cut();
            for (int i = 0; i < steps; i++)
                cluster.StepOnce();
            cluster.Alpha.Reconfigure(settings => settings with { Protocol = WriteProtocol.B });
            for (int i = 0; i < steps % 3; i++)
                cluster.StepOnce();
            cluster.Beta.Reconfigure(settings => settings with { Protocol = WriteProtocol.B });
            cluster.Run();
            cluster.AssertInSync();
            Assert.Equal((WriteProtocol.B, WriteProtocol.B), (InForce(cluster.Alpha), InForce(cluster.Beta)));
            Assert.True(Write(cluster).IsAcknowledged);
        }
    }

    [Fact]
    public void A_changed_time_out_counts_at_once()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Alpha.Reconfigure(settings => settings with { TimeoutMs = 60_000, PingIntervalMs = 120_000 });
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.Tick(20_000);
        Assert.Equal(ConnectionState.Connected, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        Assert.Null(write.Result);
        cluster.Alpha.Reconfigure(settings => settings with { TimeoutMs = 1_000 });
        cluster.Tick(1);
        Assert.NotEqual(ConnectionState.Connected, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.AssertInSync();
    }

    /// <summary>A smaller al-extents is kept: what is cold leaves, and what leaves is on record.</summary>
    [Fact]
    public void The_activity_log_shrinks_to_a_lower_al_extents()
    {
        ClusterHarness cluster = ClusterHarness.InSync(volumeBytes: 1 << 29, extents: 100);
        for (int i = 0; i < 100; i++)
            cluster.Write(cluster.Alpha, (long)i << 22);
        cluster.Flush(cluster.Alpha);
        cluster.Run();
        Assert.Equal(100, cluster.Alpha.Metadata[0].ActiveExtents.Count);
        cluster.Alpha.Reconfigure(settings => settings with { ActivityLogExtentsMax = 70 });
        cluster.Write(cluster.Alpha, 101L << 22);
        cluster.Run();
        Assert.Equal(70, cluster.Alpha.Metadata[0].ActiveExtents.Count);
        cluster.Write(cluster.Alpha, 102L << 22);
        cluster.Run();
        Assert.Equal(70, cluster.Alpha.Metadata[0].ActiveExtents.Count);
        cluster.AssertInSync();
    }

    /// <summary>A peer of version 1 cannot be told of another protocol: as before it is refused while the two differ.</summary>
    [Fact]
    public void G15_towards_version_1_differing_protocols_are_refused()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Alpha.Kill();
        cluster.Alpha.Settings = cluster.Alpha.Settings with { NewestProtocol = ProtocolVersion.V1, Protocol = WriteProtocol.A };
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        for (int i = 0; i < 200; i++)
            cluster.StepOnce();
        Assert.False(cluster.IsConnected);
        Assert.Contains("protocol", cluster.Beta.Status.Detail(ClusterHarness.PeerOf), StringComparison.Ordinal);
    }

    private static ClientRequest Write(ClusterHarness cluster)
    {
        ClientRequest write = cluster.Write(cluster.Alpha, 8192);
        cluster.Run();
        return write;
    }
}
