using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Tests;

public sealed class LookTests
{
    /// <summary>A state in which much is going on.</summary>
    private static ResourceStatus Busy => new()
    {
        Name = "mail",
        Node = "beta",
        Role = Role.Secondary,
        Suspended = ["fencing"],
        SuspendedDetails = [new SuspensionStatus("fencing", 7, "fence-peer runs")],
        Protocol = WriteProtocol.C,
        MayPromote = false,
        Fencing = "resource-and-stonith",
        Note = "not promoted: no fence device for alpha",
        WhyNotPromotable = "the disk of mail/spool is Inconsistent",
        Hint = "wait for the resync: blockrepl wait-sync mail",
        Volumes =
        [
            new VolumeStatus
            {
                Name = "spool", DiskState = DiskState.Inconsistent, SizeBytes = 1L << 30, Io = "direct", ReadBytes = 1, WrittenBytes = 2,
                NbdUri = "nbd+unix:///mail/spool?socket=/run/blockrepl/nbd.sock", Clients = 2, WaitingFor = ["the peer, for 3 s"],
            },
            new VolumeStatus { Name = "index", DiskState = DiskState.UpToDate },
        ],
        Connections =
        [
            new ConnectionStatus
            {
                Peer = "alpha", ConnectionState = ConnectionState.Connected, PeerRole = Role.Primary, SinceSeconds = 61,
                Volumes =
                [
                    new PeerVolumeStatus
                    {
                        Name = "spool", ReplicationState = ReplicationState.SyncTarget, PeerDiskState = DiskState.UpToDate,
                        OutOfSyncBytes = 1_610_612_736, ResyncPercent = 45.25, ResyncEtaSeconds = 12,
                        SplitBrain = new SplitBrainStatus
                        {
                            ChangedHereBytes = 4096, SinceHere = "2026-11-18T19:06:40Z", ChangedThereBytes = 8192,
                        },
                    },
                    new PeerVolumeStatus { Name = "index", ReplicationState = ReplicationState.Established, PeerDiskState = DiskState.UpToDate, ResyncPercent = 100 },
                ],
            },
        ],
    };

    [Fact]
    public async Task The_words_for_scripts()
    {
        await using var harness = await Harness.StartAsync(Busy, Statuses.Mail(Role.Primary, ConnectionState.Connecting, peerDisk: DiskState.DUnknown, name: "web"));

        Assert.Equal((0, "Secondary\n", ""), await harness.RunAsync("role", "mail"));
        Assert.Equal((0, "Secondary\nPrimary\n", ""), await harness.RunAsync("role"));
        Assert.Equal((0, "Inconsistent/UpToDate\nUpToDate/UpToDate\n", ""), await harness.RunAsync("dstate", "mail"));
        Assert.Equal((0, "UpToDate/UpToDate\n", ""), await harness.RunAsync("dstate", "mail/index"));
        Assert.Equal((0, "UpToDate/DUnknown\n", ""), await harness.RunAsync("dstate", "web"));
        Assert.Equal((0, "Connected\nConnecting\n", ""), await harness.RunAsync("cstate", "all"));
    }

    [Fact]
    public async Task Status_for_a_person()
    {
        await using var harness = await Harness.StartAsync(Busy,
            Statuses.Mail(Role.Primary, ConnectionState.StandAlone, peerDisk: DiskState.DUnknown, outOfSync: 4096, name: "web") with { });

        Assert.Equal((0, """
            mail role:Secondary suspended:fencing
              I/O is held by fencing for 7 s: fence-peer runs
              volume:spool disk:Inconsistent size:1GiB clients:2
                waiting for the peer, for 3 s
              volume:index disk:UpToDate
              alpha role:Primary
                volume:spool replication:SyncTarget peer-disk:UpToDate out-of-sync:1.5GiB done:45.25 eta:12s
                  split brain changed-here:4KiB since:2026-11-18T19:06:40Z changed-there:8KiB
                volume:index replication:Established peer-disk:UpToDate
              cannot be promoted: the disk of mail/spool is Inconsistent
              note: not promoted: no fence device for alpha
              what would help: wait for the resync: blockrepl wait-sync mail

            web role:Primary
              volume:spool disk:UpToDate size:1MiB
              beta connection:StandAlone for:0s
                volume:spool peer-disk:DUnknown out-of-sync:4KiB

            """.ReplaceLineEndings("\n"), ""), await harness.RunAsync("status"));
    }

    [Fact]
    public async Task Colours_are_for_terminals_that_want_them()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        var (_, painted, _) = await harness.RunAsync(new StringWriter(), isTerminal: true, ["status"]);
        harness.Environment["NO_COLOR"] = "1";
        var (_, plain, _) = await harness.RunAsync(new StringWriter(), isTerminal: true, ["status"]);

        Assert.Contains("disk:\e[32mUpToDate\e[0m", painted, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', plain);
    }

    [Fact]
    public async Task Status_for_scripts_is_the_contracts_JSON()
    {
        await using var harness = await Harness.StartAsync(Busy);
        Assert.Equal((0, """
            [
              {
                "name": "mail",
                "role": "Secondary",
                "suspended": [
                  "fencing"
                ],
                "suspended_details": [
                  {
                    "reason": "fencing",
                    "since_seconds": 7,
                    "detail": "fence-peer runs"
                  }
                ],
                "volumes": [
                  {
                    "name": "spool",
                    "disk_state": "Inconsistent",
                    "size_bytes": 1073741824,
                    "io": "direct",
                    "read_bytes": 1,
                    "written_bytes": 2,
                    "nbd_uri": "nbd+unix:///mail/spool?socket=/run/blockrepl/nbd.sock",
                    "clients": 2,
                    "served_by": null,
                    "no_data": null,
                    "al_active_extents": 0,
                    "al_applied_extents": 0,
                    "al_applied_bytes": 0,
                    "waiting_for": [
                      "the peer, for 3 s"
                    ],
                    "metadata_errors": 0,
                    "metadata_error": null
                  },
                  {
                    "name": "index",
                    "disk_state": "UpToDate",
                    "size_bytes": 0,
                    "io": null,
                    "read_bytes": 0,
                    "written_bytes": 0,
                    "nbd_uri": null,
                    "clients": 0,
                    "served_by": null,
                    "no_data": null,
                    "al_active_extents": 0,
                    "al_applied_extents": 0,
                    "al_applied_bytes": 0,
                    "waiting_for": [],
                    "metadata_errors": 0,
                    "metadata_error": null
                  }
                ],
                "connections": [
                  {
                    "peer": "alpha",
                    "connection_state": "Connected",
                    "peer_role": "Primary",
                    "volumes": [
                      {
                        "name": "spool",
                        "replication_state": "SyncTarget",
                        "peer_disk_state": "UpToDate",
                        "out_of_sync_bytes": 1610612736,
                        "out_of_sync_seconds": 0,
                        "resync_percent": 45.25,
                        "resync_eta_seconds": 12,
                        "resync_total_bytes": 0,
                        "resync_done_bytes": 0,
                        "resync_bytes_per_second": 0,
                        "resync_equal_bytes": 0,
                        "resync_zero_bytes": 0,
                        "resync_waiting_for": null,
                        "verify": null,
                        "split_brain": {
                          "changed_here_bytes": 4096,
                          "since_here": "2026-11-18T19:06:40Z",
                          "changed_there_bytes": 8192,
                          "since_there": null
                        },
                        "note": null
                      },
                      {
                        "name": "index",
                        "replication_state": "Established",
                        "peer_disk_state": "UpToDate",
                        "out_of_sync_bytes": 0,
                        "out_of_sync_seconds": 0,
                        "resync_percent": 100,
                        "resync_eta_seconds": null,
                        "resync_total_bytes": 0,
                        "resync_done_bytes": 0,
                        "resync_bytes_per_second": 0,
                        "resync_equal_bytes": 0,
                        "resync_zero_bytes": 0,
                        "resync_waiting_for": null,
                        "verify": null,
                        "split_brain": null,
                        "note": null
                      }
                    ],
                    "since_seconds": 61,
                    "disconnected_seconds": 0,
                    "queued_bytes": 0,
                    "is_congested": false,
                    "protocol_version": 0,
                    "detail": null,
                    "fence": null,
                    "note": null,
                    "checksum_errors": 0,
                    "checksum_error": null
                  }
                ],
                "node": "beta",
                "protocol": "C",
                "may_promote": false,
                "promotion_score": 10101,
                "why_not_promotable": "the disk of mail/spool is Inconsistent",
                "hint": "wait for the resync: blockrepl wait-sync mail",
                "awaits_fence": false,
                "fencing": "resource-and-stonith",
                "has_fence_peer": false,
                "handlers": [],
                "running_seconds": 0,
                "note": "not promoted: no fence device for alpha"
              }
            ]

            """.ReplaceLineEndings("\n"), ""), await harness.RunAsync("status", "--json"));
    }

    [Fact]
    public async Task Nothing_configured_is_an_empty_array()
    {
        await using var harness = await Harness.StartAsync();
        Assert.Equal((0, "[]\n", ""), await harness.RunAsync("status", "--json"));
        Assert.Equal((0, "no resource is configured\n", ""), await harness.RunAsync("status"));
    }
}
