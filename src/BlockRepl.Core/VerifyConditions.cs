using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// What must stay as it was when a comparison began: the connection, both roles, both disks UpToDate and every change mirrored. Only then does the stream's order say
/// which content of a block is to be compared with which.
/// </summary>
internal readonly record struct VerifyConditions(LinkId Link, Role Role, Role PeerRole)
{
    public static VerifyConditions Of(ResourceContext context, Peer peer) => new(peer.Link, context.Role, peer.Role);

    /// <summary>What has changed, in words; null if nothing.</summary>
    public string? Broken(ResourceContext context, PeerVolume peerVolume)
    {
        Peer peer = peerVolume.Peer;
        if (peer.Link != Link || !peer.IsConnected)
            return $"the connection to {peer.Name} was lost";
        if (Unfit(context, peerVolume) is { } unfit)
            return unfit;
        if (context.Role != Role)
            return $"{context.Settings.NodeName} became {context.Role}";
        return peer.Role != PeerRole ? $"{peer.Name} became {peer.Role}" : null;
    }

    /// <summary>Why a volume cannot be compared with a peer's now, in words; null if it can.</summary>
    public static string? Unfit(ResourceContext context, PeerVolume peerVolume)
    {
        Peer peer = peerVolume.Peer;
        if (!peer.IsConnected)
            return $"the connection to {peer.Name} is {peer.State}";
        if (peerVolume.Volume.Disk != DiskState.UpToDate)
            return $"the disk of {context.Settings.NodeName} is {peerVolume.Volume.Disk}";
        if (peerVolume.PeerDisk != DiskState.UpToDate)
            return $"the disk of {peer.Name} is {peerVolume.PeerDisk}";
        if (peerVolume.State != ReplicationState.Established || !peerVolume.IsReplicating)
            return $"replication to {peer.Name} is {peerVolume.State}";
        return null;
    }
}
