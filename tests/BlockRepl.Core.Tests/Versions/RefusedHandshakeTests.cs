using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Versions;

/// <summary>A peer that cannot be talked to is told so in a sentence, and is not dialled every second for ever.</summary>
public class RefusedHandshakeTests
{
    [Fact]
    public void G15_no_common_version_is_a_farewell_that_names_both_ranges()
    {
        var cluster = new ClusterHarness();
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.RunDisk(cluster.Alpha);
        RefuseVersions(cluster);
        Queue<byte[]> sent = cluster.Link!.To[1];
        Assert.Equal(FrameKind.Hello, PeerMessageCodec.PeekKind(sent.Dequeue()));
        Assert.True(PeerMessageCodec.TryDecode(sent.Dequeue(), out PeerMessage message, out _));
        var goodbye = Assert.IsType<GoodbyeMessage>(message);
        Assert.Equal(GoodbyeReason.Refused, goodbye.Reason);
        Assert.Equal("no common protocol version: here 1 to 2, there 98 to 99", goodbye.Detail);
        Assert.Equal(ConnectionState.Connecting, cluster.Alpha.Status.ConnectionState(ClusterHarness.PeerOf));
    }

    [Fact]
    public void The_pause_grows_with_each_refusal_up_to_connect_int_and_an_operator_ends_it()
    {
        var cluster = new ClusterHarness();
        cluster.Alpha.Start();
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        cluster.RunDisk(cluster.Alpha);
        Assert.Equal(0, Pause(cluster.Alpha));
        List<long> pauses = [];
        for (int i = 0; i < 7; i++)
        {
            RefuseVersions(cluster);
            pauses.Add(Pause(cluster.Alpha));
        }

        Assert.Equal([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000], pauses);
        cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        Assert.Equal(0, Pause(cluster.Alpha));
    }

    /// <summary>The dialling side waits also if it was the other one that refused; a connection that comes about ends the waiting.</summary>
    [Fact]
    public void Both_sides_wait_when_one_refuses_and_neither_after_a_connection()
    {
        var cluster = new ClusterHarness(s => s.NodeName == "beta" ? s with { Protocol = WriteProtocol.A, NewestProtocol = ProtocolVersion.V1 } : s);
        cluster.StartBoth();
        for (int i = 0; i < 60; i++)
            cluster.StepOnce();
        Assert.True(Pause(cluster.Alpha) > 0 && Pause(cluster.Beta) > 0);
        cluster.Beta.Kill();
        cluster.Beta.Settings = cluster.Alpha.Settings with { NodeName = "beta", Peers = ["alpha"] };
        cluster.Beta.Start();
        cluster.CommandAndRun(cluster.Beta, OperatorVerb.Connect);
        Assert.True(cluster.IsConnected);
        Assert.Equal(0, Pause(cluster.Alpha));
    }

    [Fact]
    public void A_lost_or_renegotiated_connection_is_no_reason_to_wait()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Cut();
        Assert.Equal(0, Pause(cluster.Alpha));
        cluster.Run();
        cluster.Beta.Kill();
        cluster.Run();
        Assert.Equal(0, Pause(cluster.Alpha));
    }

    private static void RefuseVersions(ClusterHarness cluster)
    {
        cluster.EstablishAlone(cluster.Alpha);
        cluster.DeliverTo(cluster.Alpha, PeerMessageCodec.Encode(new HelloMessage(98, 99, ProtocolFeatures.None, "beta", "alpha", "mail", 1)));
    }

    private static long Pause(SimulatedNode node) => node.Status.RedialPauseMs(ClusterHarness.PeerOf);
}
