using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Silent and stuck peers (G12, hard part 22), and the connection's states.</summary>
public class LivenessTests
{
    private static ConnectionState StateOf(SimulatedNode node) => node.Status.ConnectionState(ClusterHarness.PeerOf);

    [Fact]
    public void A_silent_peer_that_owes_an_answer_is_cut_off_after_the_time_out()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.IsNetworkUp = false;
        cluster.Tick(5_500);
        Assert.Equal(ConnectionState.Connected, StateOf(cluster.Alpha));
        cluster.Tick(1_000);
        Assert.NotEqual(ConnectionState.Connected, StateOf(cluster.Alpha));
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
    }

    [Fact]
    public void An_idle_silent_peer_is_cut_off_after_ping_int_and_ping_timeout()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Tick(10_000);
        Assert.Equal(ConnectionState.Connected, StateOf(cluster.Alpha));
        cluster.Tick(1_000);
        Assert.NotEqual(ConnectionState.Connected, StateOf(cluster.Alpha));
    }

    [Fact]
    public void Idle_nodes_keep_each_other_alive()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        LinkId link = cluster.Link!.Id;
        for (int i = 0; i < 60; i++)
        {
            cluster.Tick();
            cluster.Run();
        }

        Assert.Equal(link, cluster.Link!.Id);
        cluster.AssertInSync();
    }

    /// <summary>A peer that says it lives and finishes nothing is cut off after ko-count time-outs.</summary>
    [Fact]
    public void A_peer_that_lives_but_finishes_nothing_is_cut_off_by_ko_count()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        cluster.IsNetworkUp = false;
        for (int s = 0; s < 41; s++)
            TickWithStuckDisk(cluster);
        Assert.Equal(ConnectionState.Connected, StateOf(cluster.Alpha));
        Assert.Null(write.Result);
        Assert.Equal(["beta: 1 changes, the oldest for 41000 ms"], cluster.Alpha.Status.WaitingFor(ClusterHarness.Volume0));
        for (int s = 0; s < 3; s++)
            TickWithStuckDisk(cluster);
        Assert.NotEqual(ConnectionState.Connected, StateOf(cluster.Alpha));
        Assert.True(write.IsAcknowledged);
    }

    [Fact]
    public void A_new_link_that_replaces_a_dead_one_is_not_dialled_for_again()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.CutSilently();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.True(cluster.TryEstablish());
        Assert.False(cluster.Alpha.WantsLink || cluster.Beta.WantsLink);
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void A_handshake_that_does_not_end_is_given_up()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Cut();
        Assert.True(cluster.TryEstablish());
        cluster.Deliver(cluster.Alpha);
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Tick(11_000);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(0)]
    public void Acknowledgements_of_what_was_never_sent_end_the_connection(ulong applied)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        LinkId link = cluster.Link!.Id;
        cluster.Alpha.Apply(applied == 0
            ? new CoreEvent { Kind = CoreEventKind.PeerStable, Link = link, Sequence = new(1000) }
            : new CoreEvent { Kind = CoreEventKind.PeerAck, Link = link, Sequence = new(applied), Applied = new(applied) });
        Assert.NotEqual(ConnectionState.Connected, StateOf(cluster.Alpha));
    }

    public static TheoryData<CoreEvent> WrongEvents =>
    [
        new() { Kind = CoreEventKind.PeerChange, Sequence = new(1), Header = new(ChangeKind.Trim, default, 0, 4096, 0) },
        new() { Kind = CoreEventKind.ResyncData, Header = new(ChangeKind.Zeroes, default, 0, 4096, 0) },
        new() { Kind = CoreEventKind.PeerMessage, Subject = new SyncBegunMessage(default) },
        new() { Kind = CoreEventKind.PeerMessage, Subject = new SyncEndMessage(default, new(0x10), []) },
        new() { Kind = CoreEventKind.PeerMessage, Subject = new SyncEndedMessage(default) },
        new() { Kind = CoreEventKind.PeerMessage, Subject = new SyncCheckpointMessage(new(9), 1) },
        new() { Kind = CoreEventKind.PeerMessage, Subject = new WriteFailedMessage(new(1), new(9), new(0, 1), 5) },
        new() { Kind = CoreEventKind.PeerMessage, Subject = new BitmapPartMessage(default, 0, [], true) },
        new() { Kind = CoreEventKind.PeerMessage, Subject = new HelloMessage(1, 1, ProtocolFeatures.None, "beta", "alpha", "mail", 1) },
    ];

    [Theory]
    [MemberData(nameof(WrongEvents))]
    public void A_frame_out_of_place_ends_the_connection_and_never_the_process(CoreEvent wrong)
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Alpha.Apply(wrong with { Link = cluster.Link!.Id });
        Assert.NotEqual(ConnectionState.Connected, StateOf(cluster.Alpha));
        cluster.Run();
        cluster.AssertInSync();
    }

    /// <summary>The same in the moment when a source awaits the target's bitmap.</summary>
    [Fact]
    public void A_resync_that_begins_before_it_was_named_ends_the_connection()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(2);
        cluster.IsNetworkUp = true;
        while (cluster.Alpha.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) != ReplicationState.WFBitMapS)
            Assert.True(cluster.StepOnce());
        cluster.Alpha.Apply(new CoreEvent { Kind = CoreEventKind.PeerMessage, Link = cluster.Link!.Id, Subject = new SyncBegunMessage(default) });
        Assert.NotEqual(ConnectionState.Connected, StateOf(cluster.Alpha));
        cluster.Run();
        cluster.AssertInSync();
    }

    [Fact]
    public void Illegal_connection_state_transitions_are_bugs()
    {
        (ConnectionState From, ConnectionState To)[] legal =
        [
            (ConnectionState.StandAlone, ConnectionState.Unconnected),
            (ConnectionState.Unconnected, ConnectionState.Connecting), (ConnectionState.Unconnected, ConnectionState.StandAlone),
            (ConnectionState.Connecting, ConnectionState.Connected), (ConnectionState.Disconnecting, ConnectionState.StandAlone),
            .. Momentary.SelectMany(m => new[]
            {
                (ConnectionState.Connecting, m), (ConnectionState.Connected, m), (m, ConnectionState.Unconnected), (m, ConnectionState.Disconnecting),
            }),
            (ConnectionState.Unconnected, ConnectionState.Disconnecting), (ConnectionState.Connecting, ConnectionState.Disconnecting),
            (ConnectionState.Connected, ConnectionState.Disconnecting),
        ];
        var context = new ResourceContext(ClusterHarness.SettingsOf("alpha", "beta"), new Prng(1)) { Effects = new EffectQueue() };
        foreach (ConnectionState from in Enum.GetValues<ConnectionState>())
        {
            foreach (ConnectionState to in Enum.GetValues<ConnectionState>())
            {
                var peer = new Peer(ClusterHarness.PeerOf, "beta") { State = from };
                if (from == to || legal.Contains((from, to)))
                {
                    ConnectionStates.Enter(context, peer, to);
                    Assert.Equal(to, peer.State);
                    continue;
                }

                Assert.False(ConnectionStates.IsLegal(from, to), $"{from} to {to}");
                Assert.Throws<BugException>(() => ConnectionStates.Enter(context, peer, to));
            }
        }
    }

    private static readonly ConnectionState[] Momentary =
    [
        ConnectionState.Timeout, ConnectionState.BrokenPipe, ConnectionState.NetworkFailure, ConnectionState.ProtocolError, ConnectionState.TearDown,
    ];

    private static void TickWithStuckDisk(ClusterHarness cluster)
    {
        cluster.Tick();
        cluster.DeliverAll(cluster.Beta);
        cluster.DeliverAll(cluster.Alpha);
        cluster.RunDisk(cluster.Alpha);
    }

    /// <summary>Hard part 22: the peer is asked to serve, and then there is nobody left to serve; what waited for its answer must not hold up the next handshake for ever.</summary>
    [Fact]
    public void G12_a_disk_that_is_lost_in_the_last_step_of_a_demotion_holds_up_no_handshake()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        CommandTicket demotion = cluster.Command(cluster.Alpha, OperatorVerb.Secondary);
        while (!cluster.Alpha.Pending.Exists(static operation => operation.Kind == EffectKind.WriteMetadata))
            Assert.True(cluster.StepOnce(), "the demotion writes nothing");
        cluster.Complete(cluster.Alpha, EffectKind.WriteMetadata, DiskResult.Io);
        cluster.Run();
        Assert.Equal(0, demotion.ExitCode);
        cluster.Alpha.CloseDetached();
        cluster.Alpha.Attach(0);
        cluster.Run();
        cluster.AssertInSync();
    }
}
