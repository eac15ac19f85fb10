using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// What a crashed Primary knows of the changes that it had answered and its host lost with the page cache: that a peer has them (G2). Such a node is not the better copy because its peer cannot go on:
/// only the peer can tell, or its end (docs/decisions/0062).
/// </summary>
internal static class LostAnswers
{
    /// <summary>The peer of a slot has what was answered here and is lost: protocol C was promised, the host lost power, and this node had not gone on without that peer.</summary>
    /// <param name="superblock">The volume's superblock.</param>
    /// <param name="flags">Its flags, as they will be.</param>
    /// <param name="slot">The peer's slot.</param>
    /// <param name="protocol">The protocol by the configuration, for metadata that cannot say what was promised.</param>
    public static bool AreAtPeer(Superblock superblock, SuperblockFlags flags, int slot, WriteProtocol protocol)
    {
        const SuperblockFlags LostAsPrimary = SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower;
        return (flags & LostAsPrimary) == LostAsPrimary
            && superblock.Peers[slot].BitmapGeneration.IsNone
            && (superblock.Peers[slot].Flags & PeerSlotFlags.FullSync) == 0
            && !IsOnlyCopy(superblock, slot, protocol);
    }

    /// <summary>
    /// Only protocol C says that the survivor has everything: a crashed Primary that answered early may have flushed what its peer never got, and losing power must not cost that (G1).
    /// </summary>
    public static bool IsOnlyCopy(Superblock superblock, int slot, WriteProtocol protocol) =>
        EarlyAnswers.HasRoom(superblock) ? EarlyAnswers.IsOnRecord(superblock, slot) : protocol != WriteProtocol.C;
}
