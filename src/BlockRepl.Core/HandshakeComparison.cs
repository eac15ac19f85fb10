using System.Collections.Immutable;
using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>The middle of a handshake: says what this node has, sets it against what the peer said, and comes to a verdict or to the reason for which there can be none.</summary>
internal sealed class HandshakeComparison(ResourceContext context)
{
    /// <summary>Why a handshake ends without a verdict.</summary>
    /// <param name="Reason">For the peer.</param>
    /// <param name="Why">For both sides' operators.</param>
    public sealed record Refusal(GoodbyeReason Reason, string Why);

    /// <summary>Set by <see cref="ResourceCore"/>: the peer serves more of a volume, and this node's disk has room for it.</summary>
    public Action<Volume, long> OnLargerPeer { get; set; } = (_, _) => { };

    /// <summary>What this node has of a volume, towards one peer.</summary>
    public VolumeStateInfo Describe(Volume volume, Peer peer)
    {
        PeerVolume peerVolume = volume.Peers[peer.Id.Value];
        if (volume.Superblock is not { } superblock || peerVolume.Slot < 0)
        {
            return new VolumeStateInfo(
                volume.Nr, volume.Name, 0, DiskState.Diskless, GenerationId.None, GenerationId.None, [], VolumeFlags.None, 0);
        }

        PeerSlot slot = superblock.Peers[peerVolume.Slot];
        VolumeFlags flags = VolumeFlags.None;
        if ((superblock.Flags & SuperblockFlags.CrashedPrimary) != 0)
            flags |= VolumeFlags.CrashedPrimary;
        if ((superblock.Flags & SuperblockFlags.LostPower) != 0 && !IsOnlyCopyOfAnswers(superblock, peerVolume))
            flags |= VolumeFlags.LostPower;
        if ((slot.Flags & PeerSlotFlags.FullSync) != 0)
            flags |= VolumeFlags.FullSyncNeeded;
        if (peer.Version >= ProtocolVersion.V2)
            flags |= PartingOf(slot.Flags);
        return new VolumeStateInfo(
            volume.Nr, volume.Name, volume.SizeBytes, volume.Disk, superblock.Current, slot.BitmapGeneration, superblock.History,
            flags, peerVolume.Bitmap!.SetCount)
        {
            BitmapSinceMs = peer.Version >= ProtocolVersion.V2 ? slot.BitmapSinceMs : 0,
            CapacityBytes = volume.CapacityBytes,
        };
    }

    // How the two parted.
    private static VolumeFlags PartingOf(PeerSlotFlags slot) =>
        ((slot & PeerSlotFlags.PrimaryAtSplit) != 0 ? VolumeFlags.PrimaryAtSplit : VolumeFlags.None)
        | ((slot & PeerSlotFlags.OneHistory) != 0 ? VolumeFlags.OneHistory : VolumeFlags.None)
        | ((slot & PeerSlotFlags.TookOver) != 0 ? VolumeFlags.TookOver : VolumeFlags.None);

    // A peer of version 1 applies the rule itself.
    private bool IsOnlyCopyOfAnswers(Superblock superblock, PeerVolume at) =>
        at.Peer.Version >= ProtocolVersion.V2 && (superblock.Flags & SuperblockFlags.CrashedPrimary) != 0 && LostAnswers.IsOnlyCopy(superblock, at.Slot, context.Settings.Protocol);

    /// <summary>
    /// Sets each volume's <see cref="PeerVolume.Verdict"/> and what else follows from the peer's state, and returns what this node is to say; or returns why it cannot.
    /// </summary>
    public Refusal? Decide(Peer peer, ResourceStateMessage state, out ImmutableArray<VolumeVerdict> verdicts)
    {
        verdicts = [];
        List<(PeerVolume Volume, VolumeStateInfo Ours, VolumeStateInfo Theirs)> compared = [];
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume peerVolume = volume.Peers[peer.Id.Value];
            VolumeStateInfo? found = Find(state, volume.Name);
            peerVolume.IsMatched = found is not null;
            peerVolume.WasCompared = false;
            peerVolume.Verdict = new SyncVerdict(SyncResult.None, 0, "one side has no disk");
            if (found is not { } theirs)
                continue;
            if (peer.Version >= ProtocolVersion.V2 && IsNewBesideData(volume, state.Role, theirs))
            {
                // A Primary's new volume that the peer has data for: not this Primary's to throw away, nor a reason to part over the other volumes. Both leave it out.
                peerVolume.IsMatched = false;
                continue;
            }

            peerVolume.PeerNr = theirs.Nr;
            peerVolume.PeerDisk = theirs.DiskState;
            peerVolume.PeerReportedDirtyBlocks = theirs.DirtyBlocks;
            peerVolume.PeerMarkedBlocks = 0;
            VolumeStateInfo ours = Describe(volume, peer);
            peerVolume.IsAfterCrash = ((ours.Flags | theirs.Flags) & VolumeFlags.CrashedPrimary) != 0;
            if (ours.DiskState <= DiskState.Failed || theirs.DiskState <= DiskState.Failed)
                continue;
            if (Interrupted(ours, theirs) is { } larger)
            {
                if (larger > ours.SizeBytes)
                    OnLargerPeer(volume, larger);
                return new Refusal(GoodbyeReason.Renegotiate, $"{volume.Name}: an interrupted resize to {larger} bytes goes on");
            }

            if (!SizesAgree(volume, ours, theirs, out string sizes))
                return new Refusal(GoodbyeReason.Refused, sizes);
            compared.Add((peerVolume, ours, theirs));
        }

        Refusal? refusal = compared.Count > 0 ? Judge(peer, state, compared) : null;
        if (context.Role == Role.Primary && state.Role == Role.Primary)
        {
            return refusal is { Reason: GoodbyeReason.SplitBrain or GoodbyeReason.Unrelated }
                ? refusal with { Why = $"both nodes are Primary, and {refusal.Why}" }
                : new Refusal(GoodbyeReason.RoleConflict, "both nodes are Primary, but have not gone apart: demote one of them");
        }

        if (refusal is not null)
            return refusal;
        verdicts = [.. context.Volumes
            .Select(volume => volume.Peers[peer.Id.Value])
            .Where(static volume => volume.IsMatched)
            .Select(static volume => new VolumeVerdict(volume.Volume.Nr, (int)volume.Verdict.Result, (uint)volume.Verdict.Rule))];
        return null;
    }

    private Refusal? Judge(Peer peer, ResourceStateMessage state, List<(PeerVolume Volume, VolumeStateInfo Ours, VolumeStateInfo Theirs)> compared)
    {
        bool isVersion1 = peer.Version < ProtocolVersion.V2;
        (GenerationFacts Self, GenerationFacts Peer)[] facts = [.. compared.Select(volume => (
            Facts(peer, context.Settings.NodeName, context.Role, peer.DiscardMyData, isVersion1, volume.Ours),
            Facts(peer, peer.Name, state.Role, state.DiscardMyData, isVersion1, volume.Theirs)))];

        // A peer of version 1 decides nothing by itself about a split brain; this node must not, either.
        SyncVerdict[] verdicts = ResourceDecision.Decide(facts, isVersion1 ? SplitBrainPolicies.Default : context.Settings.SplitBrain);
        Refusal? refusal = null;
        for (int i = 0; i < verdicts.Length; i++)
        {
            (PeerVolume volume, VolumeStateInfo ours, VolumeStateInfo theirs) = compared[i];
            volume.Verdict = verdicts[i];
            volume.WasCompared = true;
            if (verdicts[i].Result == SyncResult.SplitBrain || verdicts[i].ResolvesSplitBrain)
                volume.Divergence = new Divergence(ours.DirtyBlocks, ours.BitmapSinceMs, theirs.DirtyBlocks, theirs.BitmapSinceMs);
            context.Log($"{context.Settings.Name}/{volume.Volume.Name}@{peer.Name}: handshake: {verdicts[i].Result} by rule {verdicts[i].Rule} ({verdicts[i].Reason})");
            if (Refuse(peer, volume) is { } found && (refusal is null || Weight(found) > Weight(refusal)))
                refusal = found;
        }

        return refusal;
    }

    // The gravest is what an operator must hear of.
    private static int Weight(Refusal refusal) => refusal.Reason switch
    {
        GoodbyeReason.Unrelated => 2,
        GoodbyeReason.SplitBrain => 1,
        _ => 0,
    };

    private Refusal? Refuse(Peer peer, PeerVolume volume) => volume.Verdict.Result switch
    {
        SyncResult.SplitBrain => new Refusal(GoodbyeReason.SplitBrain,
            $"split brain on {volume.Volume.Name}: {volume.Verdict.Reason}; {volume.Divergence!.Describe(context.Settings.NodeName, peer.Name)}"),
        SyncResult.Unrelated => new Refusal(GoodbyeReason.Unrelated, $"unrelated data on {volume.Volume.Name}: {volume.Verdict.Reason}"),
        SyncResult.Impossible => new Refusal(GoodbyeReason.RoleConflict, $"{volume.Volume.Name} would have to be resynced, but {volume.Verdict.Reason}"),
        _ => null,
    };

    private GenerationFacts Facts(Peer peer, string node, Role role, bool discard, bool isVersion1, VolumeStateInfo info) => new()
    {
        Node = node,
        Role = role,
        DiskState = info.DiskState,
        Current = info.CurrentGeneration,
        Bitmap = info.BitmapGeneration,
        History = info.History,
        DirtyBlocks = info.DirtyBlocks,
        CrashedPrimary = (info.Flags & VolumeFlags.CrashedPrimary) != 0,

        // Towards version 1 the configurations speak, as there; else whoever says it has made sure that it may count.
        LostPower = (!isVersion1 || (context.Settings.Protocol == WriteProtocol.C && peer.PeerProtocol == WriteProtocol.C)) && (info.Flags & VolumeFlags.LostPower) != 0,
        FullSyncNeeded = (info.Flags & VolumeFlags.FullSyncNeeded) != 0,
        WasPrimaryAtSplit = (info.Flags & VolumeFlags.PrimaryAtSplit) != 0,
        IsOneHistory = (info.Flags & VolumeFlags.OneHistory) != 0,
        TookOver = !isVersion1 && (info.Flags & VolumeFlags.TookOver) != 0,
        DiscardMyData = discard,
        IsVersion1 = isVersion1,
    };

    private static VolumeStateInfo? Find(ResourceStateMessage state, string name)
    {
        foreach (VolumeStateInfo volume in state.Volumes)
        {
            if (volume.Name == name)
                return volume;
        }

        return null;
    }

    private bool IsNewBesideData(Volume volume, Role theirRole, VolumeStateInfo theirs)
    {
        bool isFreshHere = volume.Superblock is { Current.IsReal: false };
        bool isFreshThere = theirs.DiskState > DiskState.Failed && !theirs.CurrentGeneration.IsReal;
        return (context.Role == Role.Primary && isFreshHere && theirs.CurrentGeneration.IsReal)
            || (theirRole == Role.Primary && isFreshThere && volume.Superblock is { Current.IsReal: true });
    }

    // Both have served, one of them more than the other, which has room for it: only an interrupted resize leaves that (both said so durably before either serves more).
    private static long? Interrupted(VolumeStateInfo ours, VolumeStateInfo theirs)
    {
        if (ours.SizeBytes == theirs.SizeBytes || !ours.CurrentGeneration.IsReal || !theirs.CurrentGeneration.IsReal)
            return null;
        VolumeStateInfo smaller = ours.SizeBytes < theirs.SizeBytes ? ours : theirs;
        long larger = Math.Max(ours.SizeBytes, theirs.SizeBytes);
        return ours.CapacityBytes > 0 && theirs.CapacityBytes > 0 && smaller.CapacityBytes >= larger ? larger : null;
    }

    // The pair serves the smaller disk; what was served once is never cut (hard part 16).
    private bool SizesAgree(Volume volume, VolumeStateInfo ours, VolumeStateInfo theirs, out string why)
    {
        why = "";
        long smaller = Math.Min(ours.SizeBytes, theirs.SizeBytes);
        if (ours.SizeBytes > smaller && ours.CurrentGeneration.IsReal)
        {
            why = $"{volume.Name} serves {ours.SizeBytes} bytes on {context.Settings.NodeName}, but the disk of the other node holds only {smaller}";
            return false;
        }

        if (theirs.SizeBytes > smaller && theirs.CurrentGeneration.IsReal)
        {
            why = $"{volume.Name} serves {theirs.SizeBytes} bytes on the other node, but the disk of {context.Settings.NodeName} holds only {smaller}";
            return false;
        }

        volume.SizeBytes = smaller;
        return true;
    }
}
