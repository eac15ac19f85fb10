using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// A disk comes into use: what a crash left is made good before anything else (DRBD: <c>apply-al</c>). The extents that were hot when a Primary died become marks
/// towards every peer, durably, before the activity log is emptied (hard parts 2 and 5, I21).
/// </summary>
internal sealed class Attachment(ResourceContext context)
{
    /// <summary>Set by <see cref="ResourceCore"/>: a disk has come into use.</summary>
    public Action OnAttached { get; set; } = () => { };

    /// <summary>Set by <see cref="ResourceCore"/>: a disk is back under a Primary, and not current yet.</summary>
    public Action<Volume> OnReturned { get; set; } = _ => { };

    /// <summary>Takes a disk into use.</summary>
    public void Attach(Volume volume, AttachedDisk disk)
    {
        bool isPrimary = context.Role == Role.Primary;
        bool isNew = isPrimary && volume.IsNewOnPrimary && !disk.Superblock.Current.IsReal;
        string? refusal = volume.Disk != DiskState.Diskless ? $"{volume.Disk}"
            : isPrimary && !isNew ? ReturningDisk.WhyNot(volume, disk) : null;
        if (refusal is not null)
        {
            // The edge asks before it opens a disk; this is for what it cannot see, or what has changed meanwhile.
            context.Log($"{Name(volume)}: a disk was not attached: {refusal}");
            context.Effects.Add(EffectKind.DetachDisk).Volume = volume.Nr;
            context.StateChanged = true;
            return;
        }

        context.BootId = disk.BootId;
        Superblock superblock = volume.Durable = disk.Superblock;
        bool wasClean = (superblock.Flags & SuperblockFlags.CleanShutdown) != 0;
        bool crashedPrimary = (superblock.Flags & SuperblockFlags.PrimaryIndicator) != 0;
        SuperblockFlags flags = superblock.Flags & ~(SuperblockFlags.CleanShutdown | SuperblockFlags.PrimaryIndicator);
        if (crashedPrimary)
            flags |= SuperblockFlags.CrashedPrimary;
        if (!wasClean && superblock.BootId != Guid.Empty && superblock.BootId != disk.BootId)
            flags |= SuperblockFlags.LostPower;
        if (volume.HasFailed)
            flags |= SuperblockFlags.LostPower;

        if (isNew)
            flags |= SuperblockFlags.PrimaryIndicator;
        volume.IsNewOnPrimary = false;
        volume.AheadGeneration = GenerationId.None;
        foreach (PeerVolume peer in volume.Peers)
            peer.AheadOf = [];
        volume.Disk = DiskState.Attaching;
        volume.HasFailed = false;
        volume.AttachesAgain = false;
        volume.ActivityLogWriting = false;
        volume.ActivityLog = new ActivityLog(superblock.ActivityLogExtents)
        {
            Transaction = disk.Transaction,
            ExtentsMax = context.Settings.ActivityLogExtentsMax,
        };
        volume.IsReturning = isPrimary && !isNew;
        if (!volume.IsReturning)
            volume.SizeBytes = superblock.AgreedBytes > 0 ? superblock.AgreedBytes : disk.DataBytes;
        volume.CapacityBytes = disk.DataBytes;
        superblock = ClaimSlots(volume, superblock, disk);
        var write = new MetadataWrite { Volume = volume.Nr };
        volume.AppliedLog = default;
        if (disk.ActiveExtents.Length > 0 && !Canary.LogNotMarkedAtAttach)
        {
            volume.AppliedLog = MarkExtents(volume, disk, write);
            context.Log($"{Name(volume)}: the activity log names {volume.AppliedLog.Extents} extents, {volume.AppliedLog.Bytes} bytes: "
                + $"marked out-of-sync, {volume.AppliedLog.NewBytes} bytes of them anew");
            write.ActivityLog = volume.ActivityLog.Snapshot();
            write.ActivityLogTransaction = ++volume.ActivityLog.Transaction;
        }

        DiskState state = StateOf(volume, superblock, flags);
        if (state > DiskState.Outdated && !volume.IsReturning && volume.Overtaken.Contains(superblock.Current))
        {
            context.Log($"{Name(volume)}: a peer was asked to serve in the place of this disk, and may have newer data");
            state = DiskState.Outdated;
        }

        if (state > DiskState.Outdated && volume.IsLeftBehind)
        {
            context.Log($"{Name(volume)}: a peer was Primary while this disk was not there, and may have newer data");
            state = DiskState.Outdated;
        }

        // It lacks what the peer serves in its place, and must say so if this node ends before it is current again (G6).
        if (state > DiskState.Outdated && volume.IsReturning)
            state = DiskState.Outdated;

        superblock = superblock with
        {
            Flags = Generations.FlagsFor(state, flags),
            BootId = disk.BootId,
            DataBytes = disk.DataBytes,
        };
        volume.Superblock = superblock;
        write.Superblock = superblock;
        write.OnDurable = () =>
        {
            // The peer may have become Primary while this was being written.
            if (state > DiskState.Outdated && volume.IsLeftBehind && !volume.IsReturning)
                state = Outdate(volume);
            else if (state <= DiskState.Outdated && !volume.IsReturning)
                volume.ForgetOvertaken(state);
            volume.Disk = volume.IsReturning ? DiskState.Negotiating : state;
            if (!volume.IsReturning)
                context.Effects.Add(EffectKind.OpenReads).Volume = volume.Nr;
            context.StateChanged = true;
            context.Log($"{Name(volume)}: attached, {state}, generation {superblock.Current}{(crashedPrimary ? ", was Primary when it died" : "")}");
            if (volume.IsReturning)
                OnReturned(volume);
            else
                OnAttached();
        };
        context.WriteMetadata(volume, write);
        context.StateChanged = true;
    }

    /// <summary>Forgets a disk that the edge has closed.</summary>
    public void Forget(Volume volume)
    {
        volume.Disk = DiskState.Diskless;
        volume.Superblock = null;
        volume.Durable = null;
        volume.ActivityLog = null;
        foreach (PeerVolume peer in volume.Peers)
        {
            peer.Bitmap = null;
            peer.Slot = -1;
        }

        context.StateChanged = true;
    }

    // What is remembered is forgotten when the disk says it itself, durably, and not before (G6).
    private DiskState Outdate(Volume volume)
    {
        volume.Superblock = volume.Superblock! with { Flags = Generations.FlagsFor(DiskState.Outdated, volume.Superblock.Flags) };
        context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock, OnDurable = () => volume.ForgetOvertaken(DiskState.Outdated) });
        return DiskState.Outdated;
    }

    // With fencing dont-care a node trusts what it last knew of itself; otherwise only the peer or a fence can tell, or could when it was last asked (G6). That the peer cannot go on does not say
    // that it has no more than this node, whose host has lost what it had answered (G2).
    private DiskState StateOf(Volume volume, Superblock superblock, SuperblockFlags flags)
    {
        if ((flags & SuperblockFlags.Consistent) == 0)
            return DiskState.Inconsistent;
        if ((flags & SuperblockFlags.Outdated) != 0)
            return DiskState.Outdated;
        bool isSure = context.Settings.Fencing == FencingPolicy.DontCare
            || Array.TrueForAll(volume.Peers, peer =>
                (superblock.Peers[peer.Slot].Flags & PeerSlotFlags.PeerOutdated) != 0 && !LostAnswers.AreAtPeer(superblock, flags, peer.Slot, context.Settings.Protocol));
        return isSure && (flags & SuperblockFlags.WasUpToDate) != 0
            ? DiskState.UpToDate
            : DiskState.Consistent;
    }

    private static Superblock ClaimSlots(Volume volume, Superblock superblock, AttachedDisk disk)
    {
        foreach (PeerVolume peer in volume.Peers)
        {
            int slot = superblock.FindPeer(peer.Peer.Name);
            if (slot < 0)
            {
                slot = superblock.FindFreeSlot();
                Check.That(slot >= 0, "the edge refuses metadata without a slot for each peer");
                superblock = superblock.WithPeer(slot, new PeerSlot(peer.Peer.Name, GenerationId.None, PeerSlotFlags.FullSync));
                disk.Bitmaps[slot].SetAll();
            }

            peer.Slot = slot;
            peer.IsPausedHere |= (superblock.Peers[slot].Flags & PeerSlotFlags.SyncPaused) != 0;
            peer.Bitmap = disk.Bitmaps[slot];
        }

        return superblock;
    }

    private static AppliedLog MarkExtents(Volume volume, AttachedDisk disk, MetadataWrite write)
    {
        long bytes = 0;
        long newBlocks = 0;
        foreach (PeerVolume peer in volume.Peers)
        {
            bytes = 0;
            foreach (uint extent in disk.ActiveExtents)
            {
                long offset = (long)extent << ActivityLog.ExtentShift;
                long length = Math.Min(1L << ActivityLog.ExtentShift, disk.DataBytes - offset);
                if (length <= 0)
                    continue;
                var range = new ByteRange(offset, length);
                bytes += length;
                newBlocks += peer.Mark(range);
                write.Bitmaps.Add(new BitmapRange(peer.Slot, peer.Bitmap!, range.FirstBlock, range.BlockCount));
            }
        }

        return new AppliedLog(disk.ActiveExtents.Length, bytes, newBlocks * Block.Size);
    }

    private string Name(Volume volume) => $"{context.Settings.Name}/{volume.Name}";
}
