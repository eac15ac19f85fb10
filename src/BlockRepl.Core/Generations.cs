using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Changes of generation ids and of what else the superblock holds, and who waits for them.</summary>
internal sealed class Generations(ResourceContext context)
{
    /// <summary>Set by <see cref="ResourceCore"/>: flushes before a generation of this node's own.</summary>
    public LocalDisk Disk { get; set; } = null!;

    /// <summary>Set by the write path: called for each change that waited for a generation.</summary>
    public Action<ChangeRequest> OnChangeReleased { get; set; } = _ => { };

    /// <summary>
    /// Makes sure that the Primary has a generation of its own before anything is answered that some peer does not have: the lazy bump (research
    /// section 1.3). The old generation becomes the base of the bitmap towards each peer that does not mirror.
    /// </summary>
    public void EnsureOwnGeneration(Volume volume)
    {
        if (volume.Superblock is not { } superblock || !volume.HasDisk || context.Role != Role.Primary)
            return;
        GenerationId old = superblock.Current;
        bool needed = false;
        foreach (PeerVolume peer in volume.Peers)
        {
            PeerSlot slot = superblock.Peers[peer.Slot];

            // A resync between nodes of one generation has begun: the bitmap has the resync's generation, but the peer may have the present one all the same.
            bool isShared = superblock.History.Contains(old);
            if (peer.IsReplicating || !slot.BitmapGeneration.IsNone && !isShared)
                continue;
            if (slot.BitmapGeneration.IsNone)
                superblock = superblock.WithPeer(peer.Slot, GoesOnAlone(peer, slot, old, superblock.Flags, OneHistory.GoesOn(context, peer.Peer)));
            else
                superblock = superblock.WithPeer(peer.Slot, OneHistory.Noted(slot, OneHistory.GoesOn(context, peer.Peer)));
            needed = true;
        }

        if (!needed)
            return;
        superblock = superblock with { Current = context.NewGeneration() };
        context.Log($"{context.Settings.Name}/{volume.Name}: new generation {superblock.Current}, was {old}");
        volume.Superblock = superblock;
        volume.GenerationPending = true;
        volume.GenerationAwaitsFlush = true;

        // The new generation says that this node's data counts, so what was acknowledged before it must be stable here: else this host, losing power next, would
        // overwrite the peer that still has it.
        Disk.Flush(volume, FlushWaiter.ForAction(result =>
        {
            volume.GenerationAwaitsFlush = false;
            if (result.IsOk && volume.GenerationPending)
                Persist(volume, volume.Superblock!, () => Release(volume));
        }));
    }

    /// <summary>
    /// A peer's slot when this node begins to differ from it: since which generation, since when, whether it was Primary when the two parted, and whether it goes on with the history of both.
    /// </summary>
    public PeerSlot GoesOnAlone(PeerVolume peer, PeerSlot slot, GenerationId from, SuperblockFlags flags, bool isOneHistory)
    {
        // A Primary that crashed was Primary when it lost the peer, if anybody asks which of two was it first.
        bool wasPrimary = peer.LostAsPrimary || (flags & SuperblockFlags.CrashedPrimary) != 0;
        PeerSlotFlags others = slot.WithoutGeneration().Flags;
        return slot with
        {
            BitmapGeneration = from,
            BitmapSinceMs = context.WallNowMs,
            Flags = others | (isOneHistory ? PeerSlotFlags.OneHistory : PeerSlotFlags.None) | (wasPrimary ? PeerSlotFlags.PrimaryAtSplit : PeerSlotFlags.None),
        };
    }

    /// <summary>
    /// This node's data is a successor of what the peer has, as far as its own generations say: it went on alone, or served the peer's clients in the place of its lost disk. Not the source of a resync between nodes of
    /// one generation that the target has not begun: it has written nothing that the target lacks.
    /// </summary>
    public static bool HasGoneOnWithout(PeerVolume peer) =>
        peer.Volume is { HasDisk: true, Superblock: { } superblock } && HasGoneOnWithout(superblock, peer.Slot);

    /// <summary>The same, by what a superblock says of a slot.</summary>
    public static bool HasGoneOnWithout(Superblock superblock, int slot) =>
        slot >= 0 && !superblock.Peers[slot].BitmapGeneration.IsNone && !superblock.History.Contains(superblock.Current);

    /// <summary>This node is Primary now: what was saved or given up before says nothing of what is written from here on.</summary>
    public void Promoted()
    {
        foreach (Volume volume in context.Volumes)
        {
            foreach (PeerVolume peer in volume.Peers)
            {
                peer.SavedGeneration = GenerationId.None;
                peer.Peer.DiscardMyData = false;
            }
        }
    }

    /// <summary>This node is Secondary now: should it go on alone later, it was not Primary when it lost its peers.</summary>
    public void Demoted()
    {
        foreach (Volume volume in context.Volumes)
        {
            foreach (PeerVolume peer in volume.Peers)
                peer.LostAsPrimary = false;
        }
    }

    /// <summary>The generation is durable where it must be: what waited for it goes on.</summary>
    public void Release(Volume volume)
    {
        volume.GenerationPending = false;
        foreach (ChangeRequest request in volume.AwaitingGeneration)
        {
            request.Waits &= ~ChangeWaits.Generation;
            OnChangeReleased(request);
        }

        volume.AwaitingGeneration.Clear();
    }

    /// <summary>
    /// A node that goes on from a generation which it made without its peer may share it with a Primary that it served, and whose clients still believe in it: what it
    /// changes now must not pass for theirs.
    /// </summary>
    public static Superblock ForPromotion(Superblock superblock, Volume volume, ResourceContext context)
    {
        bool isShared = volume.Disk == DiskState.UpToDate && superblock.Current.IsReal
            && Array.Exists(volume.Peers, peer => !superblock.Peers[peer.Slot].BitmapGeneration.IsNone);
        return isShared ? superblock.WithHistory(superblock.Current) with { Current = context.NewGeneration() } : superblock;
    }

    /// <summary>Lets a change wait while a generation is on its way to disk.</summary>
    public static void AwaitGeneration(Volume volume, ChangeRequest request)
    {
        if (!volume.GenerationPending || Canary.AnswerBeforeGeneration || (request.Waits & ChangeWaits.Generation) != 0)
            return;
        request.Waits |= ChangeWaits.Generation;
        volume.AwaitingGeneration.Add(request);
    }

    /// <summary>Writes a superblock; <paramref name="whenDurable"/> runs when it and everything written before it is durable.</summary>
    public void Persist(
        Volume volume, Superblock superblock, Action? whenDurable, IEnumerable<BitmapRange>? bitmapsFirst = null, Action? whenFailed = null)
    {
        volume.Superblock = superblock;
        var write = new MetadataWrite { Volume = volume.Nr, Superblock = superblock, OnDurable = whenDurable, OnFailed = whenFailed };
        if (bitmapsFirst is not null)
            write.Bitmaps.AddRange(bitmapsFirst);
        context.WriteMetadata(volume, write);
    }

    /// <summary>The flags that say what <see cref="Volume.Disk"/> is, as far as they outlive a restart.</summary>
    public static SuperblockFlags FlagsFor(DiskState disk, SuperblockFlags others)
    {
        const SuperblockFlags Mine = SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate | SuperblockFlags.Outdated;
        SuperblockFlags flags = others & ~Mine;
        return disk switch
        {
            DiskState.UpToDate => flags | SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate,
            DiskState.Consistent => flags | SuperblockFlags.Consistent,
            DiskState.Outdated => flags | SuperblockFlags.Consistent | SuperblockFlags.Outdated,
            _ => flags,
        };
    }
}
