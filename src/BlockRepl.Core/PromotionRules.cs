using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Who may be promoted, as far as this node can tell by itself (G6): without force only on UpToDate data; without a disk only if a peer can serve it. Whether the peer is Primary the peer is asked.</summary>
internal static class PromotionRules
{
    /// <summary>
    /// Why this node may not become Primary now, and what would help; null if it may. With <paramref name="mayFence"/> there is an absent peer that <c>fence-peer</c> is asked about
    /// next, which is the evidence that Consistent data lacks.
    /// </summary>
    public static CommandResult? Refuse(ResourceContext context, bool force, bool mayFence)
    {
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk && PromotionWithoutDisk.FindServer(volume, force) is null)
                return PromotionWithoutDisk.Refuse(context.Settings.Name, volume);
            if (volume.HasDisk && RefuseDisk(context.Settings.Name, volume, force, mayFence) is { } refusal)
                return refusal;
        }

        return null;
    }

    /// <summary>Why a promotion that was right when the peer was asked may not end: a disk of this node has got worse meanwhile (the peer has left it behind, or is to resync it). Null if it may.</summary>
    public static CommandResult? RefuseAnyLonger(ResourceContext context, bool force)
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.HasDisk && RefuseDisk(context.Settings.Name, volume, force, mayFence: false) is { } refusal)
                return refusal;
        }

        return null;
    }

    /// <summary>What the connected peer's refusal comes to: 17 where it knows this node's data to be the older, for no second try changes that; else 11.</summary>
    public static CommandResult RefusedBy(string name, Peer peer, RoleReplyMessage reply)
    {
        string what = $"{peer.Name} refuses: {reply.Reason}";
        return reply.IsOlder ? CommandResult.NoUpToDateData(what, $"attach that disk on {peer.Name}; --force gives up what it has and this node lacks")
            : CommandResult.Refused(what, peer.Role == Role.Primary ? $"demote {peer.Name} first: blockrepl secondary {name}" : $"look at status on {peer.Name}");
    }

    private static CommandResult? RefuseDisk(string name, Volume volume, bool force, bool mayFence)
    {
        bool isTarget = Array.Exists(volume.Peers, peer => peer.Target is not null || peer.State == ReplicationState.WFBitMapT);
        if (isTarget)
            return CommandResult.NoUpToDateData($"{name}/{volume.Name} is being resynced from the peer", $"wait for it: blockrepl wait-sync {name}");
        if (volume.Disk == DiskState.UpToDate || force || ((mayFence || Canary.ConsistentPromoted) && volume.Disk == DiskState.Consistent))
            return null;
        string hint = volume.Disk == DiskState.Consistent
            ? $"connect to the peer, or make sure that it is down or fenced and then: blockrepl primary --force {name}"
            : $"connect to a node with UpToDate data; --force makes this data count although it is {volume.Disk}";
        return CommandResult.NoUpToDateData($"{name}/{volume.Name} is {volume.Disk} here, not UpToDate", hint);
    }
}
