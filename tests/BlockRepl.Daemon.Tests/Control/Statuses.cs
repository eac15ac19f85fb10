using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Control;

/// <summary>States to test with.</summary>
internal static class Statuses
{
    /// <summary>mail on alpha, with one volume and the peer beta.</summary>
    public static ResourceStatus Mail(
        Role role = Role.Secondary,
        ConnectionState connection = ConnectionState.Connected,
        ReplicationState replication = ReplicationState.Established,
        DiskState disk = DiskState.UpToDate,
        DiskState peerDisk = DiskState.UpToDate,
        long outOfSync = 0,
        string name = "mail") => new()
        {
            Name = name,
            Node = "alpha",
            Role = role,
            MayPromote = disk == DiskState.UpToDate,
            Volumes = [new VolumeStatus { Name = "spool", DiskState = disk, SizeBytes = 1 << 20 }],
            Connections =
            [
                new ConnectionStatus
                {
                    Peer = "beta",
                    ConnectionState = connection,
                    PeerRole = connection == ConnectionState.Connected ? Role.Primary : Role.Unknown,
                    Volumes =
                    [
                        new PeerVolumeStatus
                        {
                            Name = "spool", ReplicationState = replication, PeerDiskState = peerDisk, OutOfSyncBytes = outOfSync,
                            ResyncPercent = 100,
                        },
                    ],
                },
            ],
        };
}
