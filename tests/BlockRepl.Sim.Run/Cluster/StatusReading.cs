using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>What a node's own status says of it and of its peer, and what follows from that by what is promised.</summary>
internal static class StatusReading
{
    private static readonly PeerId Peer = new(0);

    /// <summary>The node's side of the connection says Connected.</summary>
    public static bool IsConnected(SimNode node) => node.IsAlive && node.Status.ConnectionState(Peer) == ConnectionState.Connected;

    /// <summary>In the node's eyes all volumes are in sync.</summary>
    public static bool SeesInSync(SimNode node)
    {
        for (int v = 0; v < node.Disks.Length; v++)
        {
            if (!SeesInSync(node, v))
                return false;
        }

        return true;
    }

    /// <summary>In the node's eyes a volume is in sync.</summary>
    public static bool SeesInSync(SimNode node, int volume)
    {
        if (!node.IsAlive)
            return false;
        var nr = new VolumeNr((ushort)volume);
        ResourceStatusReader status = node.Status;
        return status.ConnectionState(Peer) == ConnectionState.Connected
            && status.DiskState(nr) == DiskState.UpToDate && status.PeerDiskState(nr, Peer) == DiskState.UpToDate
            && status.ReplicationState(nr, Peer) is ReplicationState.Established or ReplicationState.VerifyS or ReplicationState.VerifyT;
    }

    /// <summary>Nodes that a change has reached when it is answered, by what is promised.</summary>
    public static int HoldersOf(SimNode node, int volume)
    {
        int peer = 1 << (1 - node.Index);
        if (IsServed(node, volume))
            return peer;
        var nr = new VolumeNr((ushort)volume);
        ResourceStatusReader status = node.Status;
        int on = status.DiskState(nr) is DiskState.Diskless or DiskState.Failed or DiskState.Attaching ? 0 : 1 << node.Index;
        bool isMirrored = status.ConnectionState(Peer) == ConnectionState.Connected && status.ReplicationState(nr, Peer) is ReplicationState.Established or ReplicationState.VerifyS or ReplicationState.VerifyT
            && status.PeerDiskState(nr, Peer) == DiskState.UpToDate && status.ProtocolInForce(Peer) == WriteProtocol.C;
        return isMirrored || on == 0 ? on | peer : on;
    }

    /// <summary>
    /// The peer serves the volume in place of the node's own disk. That is gone, or the target of a resync: Inconsistent until its end, and nobody may be promoted on it (G9). So the server alone holds what is answered,
    /// although changes are written to both from the begin of the resync on.
    /// </summary>
    public static bool IsServed(SimNode node, int volume) => node.Status.ServedBy(new VolumeNr((ushort)volume)).Length > 0;

    /// <summary>The peer is there, and need not have what is acknowledged.</summary>
    public static bool IsWeak(SimNode node) => node.LiveLink is not null && node.Status.ProtocolInForce(Peer) != WriteProtocol.C;
}
