using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Keeps on record that this Primary answers changes which its peer may lack (protocols A and B): after a crash that record, and not what the configuration says by then, tells whose data
/// counts (rule 40, docs/decisions/0060). Until it is durable protocol C stays in force.
/// </summary>
/// <remarks>
/// <code>
/// agreed on A or B ─► record durable ─► in force
/// agreed on C ─► in force ─► the peer has applied all that was answered early ─► record taken back
/// </code>
/// A demotion takes it back as well, unless the peer is gone and lacks something, and so does the end of a resync. Metadata of format version 1 has no room for it: there the configuration speaks, as before.
/// </remarks>
internal sealed class EarlyAnswers(ResourceContext context)
{
    /// <summary>Whether a slot says that changes were answered which this peer may lack.</summary>
    public static bool IsOnRecord(Superblock superblock, int slot) => (superblock.Peers[slot].Flags & PeerSlotFlags.AnsweredEarly) != 0;

    /// <summary>The metadata can hold the record.</summary>
    public static bool HasRoom(Superblock superblock) => superblock.Version >= 2;

    /// <summary>A superblock whose slots say what is agreed on with each peer that is there; for a node that is about to be Primary.</summary>
    public static Superblock ForPromotion(Volume volume, Superblock superblock)
    {
        foreach (PeerVolume at in volume.Peers)
        {
            if (at.Peer.Step == HandshakeStep.Done && at.Peer.Agreed != WriteProtocol.C)
                superblock = With(superblock, at.Slot, true);
        }

        return superblock;
    }

    /// <summary>A superblock that says of no peer that it may lack what was answered.</summary>
    public static Superblock Without(Superblock superblock)
    {
        for (int slot = 0; slot < superblock.Peers.Length; slot++)
            superblock = With(superblock, slot, false);
        return superblock;
    }

    /// <summary>
    /// A superblock that says of no peer that it may lack what was answered; for a node that is about to be Secondary. Not of one that is gone and lacks something: a generation says so only where this node has gone on without
    /// it, and a crash in the next reign must not make that peer the better copy (G1).
    /// </summary>
    public static Superblock AfterDemotion(Volume volume, Superblock superblock)
    {
        for (int slot = 0; slot < superblock.Peers.Length; slot++)
        {
            bool lacks = Array.Exists(volume.Peers, at => at.Slot == slot && at.Peer.Step != HandshakeStep.Done && at.Bitmap!.SetCount > 0);
            if (!lacks)
                superblock = With(superblock, slot, false);
        }

        return superblock;
    }

    // A record is to be taken back when a peer has applied what was answered early.
    private bool _isOwed;

    /// <summary>A record can be taken back, though nothing else has changed: the peer has applied the last of what was answered early.</summary>
    public bool IsDue
    {
        get
        {
            if (!_isOwed)
                return false;
            foreach (Peer peer in context.Peers)
            {
                if (HasAll(peer))
                    return true;
            }

            return false;
        }
    }

    /// <summary>Puts what is agreed on in force, or what must come before it on its way. Called after every event that has changed something, and when <see cref="IsDue"/>.</summary>
    public void Settle()
    {
        _isOwed = false;
        foreach (Peer peer in context.Peers)
        {
            if (peer.Step != HandshakeStep.Done || context.Role != Role.Primary)
            {
                peer.Protocol = peer.Agreed;
                continue;
            }

            bool isEarly = peer.Agreed != WriteProtocol.C;
            bool isRecorded = true;
            foreach (Volume volume in context.Volumes)
            {
                PeerVolume at = volume.Peers[peer.Id.Value];
                bool isPrimaryDisk = volume.HasDisk && volume.Superblock is not null && at.Slot >= 0 && (volume.Superblock.Flags & SuperblockFlags.PrimaryIndicator) != 0;
                if (!isPrimaryDisk || volume.Superblock is not { } superblock || !HasRoom(superblock))
                    continue;
                isRecorded &= volume.Durable is { } durable && IsOnRecord(durable, at.Slot);
                if (IsOnRecord(superblock, at.Slot) == isEarly)
                    continue;
                if (isEarly || HasAll(peer))
                    Write(volume, With(superblock, at.Slot, isEarly));
                else
                    _isOwed = true;
            }

            peer.Protocol = isEarly && isRecorded ? peer.Agreed : WriteProtocol.C;
        }
    }

    private static bool HasAll(Peer peer) => peer.Step == HandshakeStep.Done && peer.AnsweredEarly <= peer.Applied;

    private static Superblock With(Superblock superblock, int slot, bool isEarly)
    {
        if (!HasRoom(superblock) || slot < 0 || IsOnRecord(superblock, slot) == isEarly)
            return superblock;
        PeerSlot before = superblock.Peers[slot];
        return superblock.WithPeer(slot, before with { Flags = before.Flags ^ PeerSlotFlags.AnsweredEarly });
    }

    private void Write(Volume volume, Superblock superblock)
    {
        volume.Superblock = superblock;

        // A generation of its own must not become durable before the flush that it waits for; it takes this along.
        if (!volume.GenerationAwaitsFlush)
            context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = superblock, OnDurable = () => context.StateChanged = true });
    }
}
