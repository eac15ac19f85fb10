using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Whether what this node goes on with belongs to the history that it has in common with a peer (docs/decisions/0160). As long as the two are connected there is one Primary, or none, and whatever either of them has
/// and the other lacks (a disk was lost, and the other served the volume) is of one history. The Primary goes on with it when the connection is lost. It ends where a node is promoted that cannot know that its data are
/// the newest: without the peer, by force, or beside a disk that is not there.
/// </summary>
internal static class OneHistory
{
    /// <summary>This node is about to be Primary: does it go on with what the peers know?</summary>
    public static void Promoting(ResourceContext context)
    {
        foreach (Peer peer in context.Peers)
            peer.SharesHistory = IsShared(context, peer);
    }

    /// <summary>A connection is there, and what the peer serves is known: a Primary that was promoted without this peer goes on with the history of both from now on, if the peer has nothing newer.</summary>
    public static void Connected(ResourceContext context, Peer peer)
    {
        if (context.Role == Role.Primary)
            peer.SharesHistory |= IsShared(context, peer);
    }

    /// <summary>A superblock of the promotion: what this node is ahead with counts as its own where the promotion does not go on with the history of both.</summary>
    public static Superblock ForPromotion(Superblock superblock, Volume volume)
    {
        foreach (PeerVolume peer in volume.Peers)
        {
            PeerSlot slot = superblock.Peers[peer.Slot];
            if (!peer.Peer.SharesHistory)
                superblock = superblock.WithPeer(peer.Slot, slot with { Flags = slot.Flags & ~PeerSlotFlags.OneHistory });
        }

        return superblock;
    }

    /// <summary>
    /// A generation of this Primary's own that begins now belongs to the history of both. Not so if the peer serves a volume and lacks what was answered early: what this node goes on with may rest on that (G4).
    /// </summary>
    public static bool GoesOn(ResourceContext context, Peer peer) =>
        peer.SharesHistory && !context.Volumes.Exists(volume => RemoteService.LacksAnswered(volume, peer));

    /// <summary>A slot whose bitmap has a generation already, and which says whether it is one history from now on.</summary>
    public static PeerSlot Noted(PeerSlot slot, bool isOneHistory) =>
        slot with { Flags = isOneHistory ? slot.Flags | PeerSlotFlags.OneHistory : slot.Flags & ~PeerSlotFlags.OneHistory };

    private static bool IsShared(ResourceContext context, Peer peer)
    {
        if (!peer.IsConnected)
            return false;
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume there = volume.Peers[peer.Id.Value];

            // Where the peer serves it takes a generation of its own for that: a disk of this node that is newer, and not there, will be seen to have gone another way. A disk of the peer that is not there may be newer
            // unless this node knows that it has gone on from it, or has seen it in this connection.
            bool isNewest = volume.HasDisk
                ? volume.Disk == DiskState.UpToDate && there.IsMatched && (there.PeerDisk > DiskState.Failed || there.WasCompared || Generations.HasGoneOnWithout(there))
                : there.Volume.Remote.Server == there;
            if (!isNewest)
                return false;
        }

        return true;
    }
}
