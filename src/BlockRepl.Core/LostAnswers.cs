using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// What a node whose host lost power knows of the changes that it had answered or confirmed and that went with the page cache: that a peer has them (G2). Such a node is not the better copy because its
/// peer cannot go on: only the peer can tell, or its end (docs/decisions/0062).
/// </summary>
internal static class LostAnswers
{
    /// <summary>
    /// The peer of a slot has what is lost here: the host lost power, and this node had not gone on without that peer. As Secondary: whatever it had confirmed, the Primary has. As Primary: protocol C was promised.
    /// </summary>
    /// <param name="superblock">The volume's superblock.</param>
    /// <param name="flags">Its flags, as they will be.</param>
    /// <param name="slot">The peer's slot.</param>
    /// <param name="protocol">The protocol by the configuration, for metadata that cannot say what was promised.</param>
    public static bool AreAtPeer(Superblock superblock, SuperblockFlags flags, int slot, WriteProtocol protocol)
    {
        return (flags & SuperblockFlags.LostPower) != 0
            && superblock.Peers[slot].BitmapGeneration.IsNone
            && (superblock.Peers[slot].Flags & PeerSlotFlags.FullSync) == 0
            && ((flags & SuperblockFlags.CrashedPrimary) == 0 || !IsOnlyCopy(superblock, slot, protocol));
    }

    /// <summary>
    /// Only protocol C says that the survivor has everything: a crashed Primary that answered early may have flushed what its peer never got, and losing power must not cost that (G1).
    /// </summary>
    public static bool IsOnlyCopy(Superblock superblock, int slot, WriteProtocol protocol) =>
        EarlyAnswers.HasRoom(superblock) ? EarlyAnswers.IsOnRecord(superblock, slot) : protocol != WriteProtocol.C;
}
