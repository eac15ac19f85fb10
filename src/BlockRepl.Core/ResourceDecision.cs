using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Decides from both nodes' facts about all volumes of a resource what is resynced from whom, if anything. A pure function; both nodes call it with the arguments
/// swapped and must get mirrored results (hard part 19).
/// </summary>
/// <remarks>
/// <code>
/// each volume: generations ─► both went on, here or one on this and one on that volume? ─► a victim, by a person or a policy ─► the same for all volumes
///                                  │ no                                                      │ none: split brain
///                                  └► disk states override the direction ─► the target is Primary, the source Inconsistent? ─► impossible
/// </code>
/// The nodes of a resource have one history (G4). So two nodes of which one went on alone on one volume and the other on another are a split brain as well, although no
/// volume is one by itself, and the victim of a split brain is the victim on every volume. DRBD decides each volume by itself. So does this where both nodes' own records say that it is one history all
/// the same (docs/decisions/0160).
/// </remarks>
public static class ResourceDecision
{
    /// <summary>The verdicts, in the order of the volumes.</summary>
    public static SyncVerdict[] Decide(ReadOnlySpan<(GenerationFacts Self, GenerationFacts Peer)> volumes, SplitBrainPolicies policies)
    {
        var compared = new SyncVerdict[volumes.Length];
        bool selfWentOn = false;
        bool peerWentOn = false;
        bool isSplit = false;
        bool isRecent = true;
        for (int i = 0; i < volumes.Length; i++)
        {
            (GenerationFacts self, GenerationFacts peer) = volumes[i];
            compared[i] = SyncDecision.Compare(self, peer);
            if (IsDecidedByDisks(self, peer))
                continue;
            isSplit |= compared[i].Result == SyncResult.SplitBrain;
            isRecent &= compared[i].Rule is not (60 or 80 or 100);
            selfWentOn |= compared[i].Rule is 70 or 71 or 80;
            peerWentOn |= compared[i].Rule is 50 or 51 or 60;
        }

        bool isMixed = selfWentOn && peerWentOn && (isSplit || !IsOneHistory(volumes, compared));
        bool? later = LaterReign(volumes, compared);
        SplitBrainVictim.Choice choice = isSplit || isMixed ? Choose(volumes, policies, isRecent) : default;
        for (int i = 0; i < volumes.Length; i++)
        {
            (GenerationFacts self, GenerationFacts peer) = volumes[i];
            if (choice.Node is not null)
                compared[i] = Resolve(self, peer, compared[i], choice);
            else if (IsDecidedByDisks(self, peer))
                compared[i] = Finish(self, peer, compared[i]);
            else if (compared[i].Result == SyncResult.SplitBrain)
                compared[i] = compared[i] with { PrimaryLost = choice.PrimaryLost };
            else if (isMixed && compared[i].Rule is 50 or 51 or 60 or 70 or 71 or 80)
                compared[i] = new SyncVerdict(SyncResult.SplitBrain, 91, "each side went on alone, on different volumes") { PrimaryLost = choice.PrimaryLost };
            else
                compared[i] = Finish(self, peer, isMixed || isSplit ? compared[i] : Follow(self, peer, compared[i], later));
        }

        return compared;
    }

    // True if this node alone went on without the other in a history of its own, false if the other did, null if neither or both: it was Primary last. What each has in a history that both had says nothing of that: a server is
    // ahead without having been Primary.
    private static bool? LaterReign(ReadOnlySpan<(GenerationFacts Self, GenerationFacts Peer)> volumes, SyncVerdict[] compared)
    {
        bool self = false;
        bool peer = false;
        for (int i = 0; i < volumes.Length; i++)
        {
            (GenerationFacts mine, GenerationFacts theirs) = volumes[i];
            if (mine.IsVersion1 || theirs.IsVersion1)
                return null;
            if (IsDecidedByDisks(mine, theirs))
                continue;
            self |= compared[i].Rule is 70 or 71 or 80 && !mine.IsOneHistory;
            peer |= compared[i].Rule is 50 or 51 or 60 && !theirs.IsOneHistory;
        }

        return self == peer ? null : self;
    }

    // Where the generations are equal a crash left differences. The image is that of one moment over all volumes (G4): that of the later reign, where for this volume alone either side would do, or the Primary that crashed was
    // taken. Never against a verdict that goes by lost power: who went on may have done so beside an absent disk, connected and mirroring this volume, whose other copy is the whole one (G2).
    private static SyncVerdict Follow(GenerationFacts self, GenerationFacts peer, SyncVerdict verdict, bool? later)
    {
        if (later is not { } isSelf || !(verdict.IsSource || verdict.IsTarget) || verdict.IsSource == isSelf)
            return verdict;
        GenerationFacts source = verdict.IsSource ? self : peer;
        GenerationFacts target = verdict.IsSource ? peer : self;
        bool isOpen = verdict.Rule switch
        {
            40 => source.CrashedPrimary && !source.TookOver && (!target.CrashedPrimary || source.LostPower == target.LostPower),
            42 => source.DirtyBlocks > 0 && target.DirtyBlocks > 0,
            _ => false,
        };
        return isOpen ? SyncDecision.Copy(isSelf, verdict.IsFull, verdict.Rule, verdict.Reason + "; the other side went on alone, on another volume") : verdict;
    }

    // Whatever either of the two has and the other lacks was written through one Primary, or through Primaries of which each took over from the one before: on each volume one of the two has all of it.
    private static bool IsOneHistory(ReadOnlySpan<(GenerationFacts Self, GenerationFacts Peer)> volumes, SyncVerdict[] compared)
    {
        for (int i = 0; i < volumes.Length; i++)
        {
            (GenerationFacts self, GenerationFacts peer) = volumes[i];
            bool isOne = IsDecidedByDisks(self, peer) || compared[i].Rule switch
            {
                70 or 71 or 80 => self.IsOneHistory,
                50 or 51 or 60 => peer.IsOneHistory,
                _ => true,
            };
            if (!isOne)
                return false;
        }

        return true;
    }

    private static SplitBrainVictim.Choice Choose(
        ReadOnlySpan<(GenerationFacts Self, GenerationFacts Peer)> volumes, SplitBrainPolicies policies, bool isRecent)
    {
        var self = new SplitBrainVictim.Side(volumes[0].Self.Node, volumes[0].Self.Role, false, 0, volumes[0].Self.DiscardMyData);
        var peer = new SplitBrainVictim.Side(volumes[0].Peer.Node, volumes[0].Peer.Role, false, 0, volumes[0].Peer.DiscardMyData);
        foreach ((GenerationFacts mine, GenerationFacts theirs) in volumes)
        {
            self = self with { WasPrimary = self.WasPrimary || mine.WasPrimaryAtSplit, ChangedBlocks = self.ChangedBlocks + mine.DirtyBlocks };
            peer = peer with { WasPrimary = peer.WasPrimary || theirs.WasPrimaryAtSplit, ChangedBlocks = peer.ChangedBlocks + theirs.DirtyBlocks };
        }

        return SplitBrainVictim.Choose(in self, in peer, policies, isRecent);
    }

    // A split brain with a victim: on every volume on which the two may differ the other side is the source.
    private static SyncVerdict Resolve(GenerationFacts self, GenerationFacts peer, SyncVerdict compared, SplitBrainVictim.Choice choice)
    {
        if (compared.Result is SyncResult.None or SyncResult.Unrelated)
            return Finish(self, peer, compared);
        bool selfIsVictim = choice.Node == self.Node;
        GenerationFacts victim = selfIsVictim ? self : peer;
        GenerationFacts survivor = selfIsVictim ? peer : self;
        if (IsBad(victim))
            return Finish(self, peer, compared);
        if (IsBad(survivor))
        {
            return new SyncVerdict(SyncResult.SplitBrain, compared.Rule,
                $"{victim.Node} cannot be the one that loses its changes, because {survivor.Node} has no consistent data of this volume");
        }

        bool full = compared.IsFull || compared.Rule == 100 || self.FullSyncNeeded || peer.FullSyncNeeded;
        bool losesChanges = compared.Result == SyncResult.SplitBrain || selfIsVictim == compared.IsSource && compared.Rule is 70 or 71 or 80 or 50 or 51 or 60;
        SyncVerdict verdict = SyncDecision.Copy(!selfIsVictim, full, compared.Rule, $"{compared.Reason}; {choice.Why}: {victim.Node} loses its changes");
        return ForbidOverwritingPrimary(self, peer, verdict with { ResolvesSplitBrain = losesChanges });
    }

    private static SyncVerdict Finish(GenerationFacts self, GenerationFacts peer, SyncVerdict verdict)
    {
        if (verdict.Result == SyncResult.Unrelated)
            return verdict;
        bool selfInconsistent = self.DiskState == DiskState.Inconsistent;
        bool peerInconsistent = peer.DiskState == DiskState.Inconsistent;
        if (selfInconsistent && peerInconsistent)
        {
            return verdict.Result == SyncResult.None
                ? verdict
                : new SyncVerdict(SyncResult.Impossible, verdict.Rule, "the side that should be the source is Inconsistent, as is the other");
        }

        if (selfInconsistent != peerInconsistent)
        {
            // Only consistent data may be copied (I12), whatever the generations say; marks that were kept for the other direction are not relied on.
            bool isReversed = verdict.IsSource && selfInconsistent || verdict.IsTarget && peerInconsistent;
            bool full = verdict.IsFull || isReversed || verdict.Rule == 100 || self.FullSyncNeeded || peer.FullSyncNeeded;
            verdict = SyncDecision.Copy(peerInconsistent, full, verdict.Rule, "one side is Inconsistent");
        }
        else if ((verdict.IsSource || verdict.IsTarget) && (self.FullSyncNeeded || peer.FullSyncNeeded))
        {
            verdict = SyncDecision.Copy(verdict.IsSource, true, verdict.Rule, verdict.Reason + "; marks are incomplete");
        }

        return ForbidOverwritingPrimary(self, peer, verdict);
    }

    private static SyncVerdict ForbidOverwritingPrimary(GenerationFacts self, GenerationFacts peer, SyncVerdict verdict)
    {
        bool targetIsPrimary = verdict.IsTarget && self.Role == Role.Primary || verdict.IsSource && peer.Role == Role.Primary;
        return targetIsPrimary
            ? new SyncVerdict(SyncResult.Impossible, verdict.Rule, $"{verdict.Reason}, and the side to be overwritten is Primary")
            : verdict;
    }

    private static bool IsBad(GenerationFacts facts) => facts.DiskState == DiskState.Inconsistent || !facts.Current.IsReal;

    // What an Inconsistent disk holds nobody can use: it is no side in a split brain.
    private static bool IsDecidedByDisks(GenerationFacts self, GenerationFacts peer) =>
        self.DiskState == DiskState.Inconsistent || peer.DiskState == DiskState.Inconsistent;
}
