using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// What this node knows, durably, of a peer that is not there: that it cannot go on by itself (<see cref="PeerSlotFlags.PeerOutdated"/>), and that a fence may be up that is to be taken away
/// (<see cref="PeerSlotFlags.PeerFencing"/>).
/// </summary>
internal sealed class FenceEvidence(ResourceContext context)
{
    /// <summary>The peer is known not to go on with this volume by itself.</summary>
    public static bool IsOutdated(PeerVolume peerVolume) => Has(peerVolume, PeerSlotFlags.PeerOutdated);

    /// <summary>The peer is known not to go on with any volume by itself.</summary>
    public bool IsOutdated(Peer peer) => context.Volumes.TrueForAll(volume => IsOutdated(volume.Peers[peer.Id.Value]));

    /// <summary>Something is known about the peer on some volume.</summary>
    public bool HasAny(Peer peer, PeerSlotFlags flag) => context.Volumes.Exists(volume => Has(volume.Peers[peer.Id.Value], flag));

    /// <summary>Sets or clears a flag on every volume that has a disk; durable some time later, in order with the other metadata writes.</summary>
    public void Set(Peer peer, PeerSlotFlags flag, bool isSet)
    {
        foreach (Volume volume in context.Volumes)
            Set(volume.Peers[peer.Id.Value], flag, isSet, null);
    }

    /// <summary>Sets or clears a flag on one volume. Returns false if nothing had to be written; else <paramref name="whenDurable"/> is called later.</summary>
    public bool Set(PeerVolume peerVolume, PeerSlotFlags flag, bool isSet, Action? whenDurable)
    {
        Volume volume = peerVolume.Volume;
        if (volume.Superblock is not { } superblock || !volume.HasDisk || Has(peerVolume, flag) == isSet)
            return false;
        PeerSlot slot = superblock.Peers[peerVolume.Slot];
        volume.Superblock = superblock.WithPeer(
            peerVolume.Slot, slot with { Flags = isSet ? slot.Flags | flag : slot.Flags & ~flag });
        context.StateChanged = true;
        WriteUnlessPending(volume, whenDurable);
        return true;
    }

    /// <summary>Whether the peer's own words, in the state of this connection, say that it cannot go on with the volume by itself.</summary>
    public static bool SaysItCannotGoOn(PeerVolume peerVolume)
    {
        if (peerVolume.Peer.Role == Role.Primary || peerVolume.PeerDisk is DiskState.Attaching or DiskState.Negotiating or > DiskState.Outdated)
            return false;

        // From the last message of a resync on the target may be UpToDate without this node knowing. The same when an initial sync is being skipped.
        bool mayHaveEnded = peerVolume.Source is { IsEnding: true }
            || (peerVolume.PeerDisk == DiskState.Inconsistent && peerVolume.State == ReplicationState.Established && peerVolume.Volume.Disk == DiskState.UpToDate);
        return peerVolume.IsMatched && !mayHaveEnded;
    }

    /// <summary>Writes a volume's superblock, unless a generation of its own is about to: that must not become durable before the flush that it waits for, and takes this along.</summary>
    public void WriteUnlessPending(Volume volume, Action? whenDurable)
    {
        if (volume.GenerationAwaitsFlush && whenDurable is null)
            return;
        context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock, OnDurable = whenDurable });
    }

    private static bool Has(PeerVolume peerVolume, PeerSlotFlags flag) =>
        peerVolume.Volume.Superblock is { } superblock && peerVolume.Slot >= 0 && (superblock.Peers[peerVolume.Slot].Flags & flag) != 0;
}
