using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What a role change puts into the superblocks, on all volumes at once, and whether all of it became durable.</summary>
internal sealed class RoleMetadata(ResourceContext context, Generations generations)
{
    private readonly List<(Volume Volume, Superblock Before, Superblock After)> _promoted = [];
    private int _pending;

    /// <summary>Everything asked for has ended, well or not.</summary>
    public bool IsDone => _pending == 0;

    /// <summary>Something could not be written.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>
    /// This node is about to be Primary. By force, data that is not UpToDate counts from now on, under a generation of its own, so that whoever has newer data will see a split brain (G7).
    /// </summary>
    public void PersistPrimary()
    {
        Begin();
        _promoted.Clear();
        OneHistory.Promoting(context);
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                continue;
            Superblock superblock = OneHistory.ForPromotion(Generations.ForPromotion(volume.Superblock!, volume, context), volume);
            SuperblockFlags flags = superblock.Flags & ~SuperblockFlags.CleanShutdown | SuperblockFlags.PrimaryIndicator;
            if (volume.Disk != DiskState.UpToDate)
            {
                if (superblock.Current.IsReal)
                {
                    foreach (PeerVolume peer in volume.Peers)
                    {
                        // Whichever place is free: the peer must still recognise where this data comes from, or it would call it unrelated.
                        PeerSlot slot = superblock.Peers[peer.Slot];
                        superblock = slot.BitmapGeneration.IsNone
                            ? superblock.WithPeer(peer.Slot, generations.GoesOnAlone(peer, slot, superblock.Current, superblock.Flags, isOneHistory: false))
                            : superblock.WithHistory(superblock.Current);
                    }
                }

                superblock = superblock with { Current = Canary.ForcedKeepsGeneration ? superblock.Current : context.NewGeneration() };
                flags = Generations.FlagsFor(DiskState.UpToDate, flags) & ~(SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower);
            }

            superblock = TakingOver(volume, EarlyAnswers.ForPromotion(volume, superblock)) with { Flags = flags, BootId = context.BootId };
            _promoted.Add((volume, volume.Superblock!, superblock));
            Write(volume, superblock);
        }
    }

    /// <summary>
    /// A promotion that had begun to be written is given up: no volume must come back from a crash as that of a Primary, and none that was not UpToDate as one whose data count (G6). Nothing was served, so that
    /// what was there before is true again, unless a peer may have heard of it meanwhile.
    /// </summary>
    public void TakePrimaryBack()
    {
        Begin();
        bool isHeardOf = Array.Exists(context.Peers, static peer => peer.Link != LinkId.None);
        foreach ((Volume volume, Superblock before, Superblock after) in _promoted)
        {
            if (!volume.HasDisk || (volume.Superblock!.Flags & SuperblockFlags.PrimaryIndicator) == 0)
                continue;
            Write(volume, ReferenceEquals(volume.Superblock, after) && !isHeardOf ? before : volume.Superblock with { Flags = volume.Superblock.Flags & ~SuperblockFlags.PrimaryIndicator });
        }

        _promoted.Clear();
    }

    /// <summary>This node is about to be Secondary: an empty activity log, every mark, no indicator, and what its data is worth without the peer.</summary>
    public void PersistSecondary(Func<Volume, DiskState> worth)
    {
        Begin();
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                continue;
            volume.ActivityLog!.Clear();
            var write = new MetadataWrite
            {
                Volume = volume.Nr,
                ActivityLog = volume.ActivityLog.Snapshot(),
                ActivityLogTransaction = ++volume.ActivityLog.Transaction,
            };
            foreach (PeerVolume peer in volume.Peers)
            {
                if (peer.Bitmap!.SetCount > 0)
                    write.Bitmaps.Add(new BitmapRange(peer.Slot, peer.Bitmap, 0, peer.Bitmap.BlockCount));
            }

            SuperblockFlags flags = Generations.FlagsFor(worth(volume), volume.Superblock!.Flags);
            Write(volume, EarlyAnswers.AfterDemotion(volume, volume.Superblock) with { Flags = flags & ~SuperblockFlags.PrimaryIndicator }, write);
        }
    }

    // Everything is flushed by now. A host that has lost power since it was last in sync may lack what it had confirmed: its reign counts as any other's.
    private static Superblock TakingOver(Volume volume, Superblock superblock)
    {
        if (!EarlyAnswers.HasRoom(superblock) || (superblock.Flags & SuperblockFlags.LostPower) != 0)
            return superblock;
        foreach (PeerVolume at in volume.Peers)
        {
            PeerSlot slot = superblock.Peers[at.Slot];
            if (at.Peer.Step != HandshakeStep.Done)
                superblock = superblock.WithPeer(at.Slot, slot with { Flags = slot.Flags | PeerSlotFlags.TookOver });
        }

        return superblock;
    }

    private void Begin()
    {
        HasFailed = false;
        _pending = 0;
    }

    private void Write(Volume volume, Superblock superblock, MetadataWrite? write = null)
    {
        _pending++;
        volume.Superblock = superblock;
        write ??= new MetadataWrite { Volume = volume.Nr };
        write.Superblock = superblock;
        write.OnDurable = () => _pending--;
        write.OnFailed = () =>
        {
            HasFailed = true;
            _pending--;
        };
        context.WriteMetadata(volume, write);
    }
}
