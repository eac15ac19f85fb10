using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Decides from both nodes' facts who, if anyone, must be resynced from whom. A pure function; both nodes call it with the arguments
/// swapped and must get mirrored results (hard part 19). The rules and their numbers are DRBD's two-node table (research section 1.3,
/// <c>drbd_uuid_compare</c> of DRBD 8.4), with one addition: rule 40 prefers data of a host that kept its page cache.
/// </summary>
public static class SyncDecision
{
    /// <summary>Compares generations, then lets disk states and roles overrule or forbid the direction.</summary>
    public static SyncVerdict Decide(GenerationFacts self, GenerationFacts peer)
    {
        SyncVerdict verdict = CompareGenerations(self, peer);
        if (verdict.Result == SyncResult.SplitBrain && self.DiscardMyData != peer.DiscardMyData)
        {
            verdict = Copy(peer.DiscardMyData, verdict.Rule == 100 || self.FullSyncNeeded || peer.FullSyncNeeded,
                verdict.Rule, "split brain resolved by the operator");
        }

        if (verdict.Result is SyncResult.SplitBrain or SyncResult.Unrelated)
            return verdict;

        bool selfInconsistent = self.DiskState == DiskState.Inconsistent;
        bool peerInconsistent = peer.DiskState == DiskState.Inconsistent;
        if (selfInconsistent && peerInconsistent)
            return new SyncVerdict(SyncResult.None, verdict.Rule, "neither side has consistent data");
        if (selfInconsistent != peerInconsistent)
        {
            // Only consistent data may be copied (I12), whatever the generations say.
            bool full = verdict.IsFull || verdict.IsSource == selfInconsistent && verdict.Result != SyncResult.None;
            bool bitmapUsable = !full && !self.FullSyncNeeded && !peer.FullSyncNeeded;
            verdict = Copy(peerInconsistent, !bitmapUsable, verdict.Rule, "one side is Inconsistent");
        }
        else if (verdict.Result != SyncResult.None && (self.FullSyncNeeded || peer.FullSyncNeeded))
        {
            verdict = Copy(verdict.IsSource, true, verdict.Rule, verdict.Reason + "; marks are incomplete");
        }

        bool targetIsPrimary = verdict.IsTarget && self.Role == Role.Primary || verdict.IsSource && peer.Role == Role.Primary;
        return targetIsPrimary
            ? new SyncVerdict(SyncResult.Impossible, verdict.Rule, "the side to be overwritten is Primary")
            : verdict;
    }

    private static SyncVerdict Copy(bool selfIsSource, bool full, int rule, string reason) => new(
        selfIsSource
            ? full ? SyncResult.SourceFull : SyncResult.SourceBitmap
            : full ? SyncResult.TargetFull : SyncResult.TargetBitmap,
        rule,
        reason);

    private static SyncVerdict CompareGenerations(GenerationFacts self, GenerationFacts peer)
    {
        bool selfFresh = !self.Current.IsReal;
        bool peerFresh = !peer.Current.IsReal;
        if (selfFresh && peerFresh)
            return new SyncVerdict(SyncResult.None, 10, "both sides are fresh");
        if (selfFresh)
            return new SyncVerdict(SyncResult.TargetFull, 20, "this side is fresh");
        if (peerFresh)
            return new SyncVerdict(SyncResult.SourceFull, 30, "the peer is fresh");

        if (self.Current == peer.Current)
            return CompareEqual(self, peer);
        if (GoesBothWays(self.Current == peer.Bitmap, peer.Current == self.Bitmap)
            || GoesBothWays(IsNewestHistory(peer, self.Current), IsNewestHistory(self, peer.Current))
            || GoesBothWays(Contains(peer.History, self.Current), Contains(self.History, peer.Current)))
        {
            // No sequence of events leads here; but both nodes must say the same of it (hard part 19).
            return new SyncVerdict(SyncResult.SplitBrain, 100, "each side claims to have gone on from the other");
        }

        if (self.Current == peer.Bitmap)
            return new SyncVerdict(SyncResult.TargetBitmap, 50, "the peer went on from this side's generation");
        if (peer.Current == self.Bitmap)
            return new SyncVerdict(SyncResult.SourceBitmap, 70, "this side went on from the peer's generation");
        // DRBD's 51 and 71: the target's end of a resync was not reached, or its begin not heard of. The source's marks are whole all the same, because
        // none is cleared before the target takes part, and none is missing after all were cleared.
        if (IsNewestHistory(peer, self.Current))
            return new SyncVerdict(SyncResult.TargetBitmap, 51, "this side missed the begin or the end of the last resync");
        if (IsNewestHistory(self, peer.Current))
            return new SyncVerdict(SyncResult.SourceBitmap, 71, "the peer missed the begin or the end of the last resync");
        if (Contains(peer.History, self.Current))
            return new SyncVerdict(SyncResult.TargetFull, 60, "this side's generation is in the peer's history");
        if (Contains(self.History, peer.Current))
            return new SyncVerdict(SyncResult.SourceFull, 80, "the peer's generation is in this side's history");
        if (!self.Bitmap.IsNone && self.Bitmap == peer.Bitmap)
            return new SyncVerdict(SyncResult.SplitBrain, 90, "both sides went on from the same generation");
        if (HaveCommonAncestor(self, peer))
            return new SyncVerdict(SyncResult.SplitBrain, 100, "both sides went on from a generation in their history");
        return new SyncVerdict(SyncResult.Unrelated, 1000, "the two sides have no generation in common");
    }

    private static SyncVerdict CompareEqual(GenerationFacts self, GenerationFacts peer)
    {
        // Equal generations: one side may have missed the end of a resync (34 to 37). The other still tracks, so it is the source.
        if (!self.Bitmap.IsNone && peer.Bitmap.IsNone)
            return new SyncVerdict(SyncResult.SourceBitmap, 34, "this side missed the end of the last resync");
        if (self.Bitmap.IsNone && !peer.Bitmap.IsNone)
            return new SyncVerdict(SyncResult.TargetBitmap, 36, "the peer missed the end of the last resync");

        // Same generation, nobody went on alone; but blocks may differ (I10): a Primary that crashed with writes in flight, or a
        // write that the peer had not made stable when the link was lost. Marks name those blocks.
        bool marked = self.DirtyBlocks > 0 || peer.DirtyBlocks > 0;
        bool crashed = self.CrashedPrimary || peer.CrashedPrimary;
        if (!marked && !crashed)
            return new SyncVerdict(SyncResult.None, 40, "equal");

        if (self.Role == Role.Primary || peer.Role == Role.Primary)
        {
            if (self.Role == peer.Role)
                return new SyncVerdict(SyncResult.SplitBrain, 41, "both sides are Primary");
            return Copy(self.Role == Role.Primary, false, 41, "the Primary's data counts");
        }

        if (self.CrashedPrimary != peer.CrashedPrimary)
        {
            GenerationFacts former = self.CrashedPrimary ? self : peer;
            GenerationFacts other = self.CrashedPrimary ? peer : self;
            // The former Primary's disk holds every acknowledged write unless its host lost the page cache; then the other side
            // does, unless it lost its own (G2 to G4). DRBD always takes the former Primary.
            bool formerIsSource = !former.LostPower || other.LostPower;
            return Copy(formerIsSource == self.CrashedPrimary, false, 40, "the Primary crashed");
        }

        if (self.CrashedPrimary)
            return Copy(IsFirst(self, peer), false, 40, "both sides crashed as Primary");
        if (self.DirtyBlocks > 0 != peer.DirtyBlocks > 0)
            return Copy(self.DirtyBlocks > 0, false, 42, "one side has marks");
        return Copy(IsFirst(self, peer), false, 42, "both sides have marks");
    }

    private static bool GoesBothWays(bool one, bool other) => one && other;

    private static bool IsNewestHistory(GenerationFacts of, GenerationId id) => of.History.Length > 0 && of.History[0] == id;

    private static bool IsFirst(GenerationFacts self, GenerationFacts peer) =>
        string.CompareOrdinal(self.Node, peer.Node) < 0;

    private static bool Contains(System.Collections.Immutable.ImmutableArray<GenerationId> history, GenerationId id)
    {
        foreach (GenerationId entry in history)
        {
            if (entry == id)
                return true;
        }

        return false;
    }

    private static bool HaveCommonAncestor(GenerationFacts self, GenerationFacts peer)
    {
        if (!self.Bitmap.IsNone && Contains(peer.History, self.Bitmap) || !peer.Bitmap.IsNone && Contains(self.History, peer.Bitmap))
            return true;
        foreach (GenerationId entry in self.History)
        {
            if (entry.IsReal && Contains(peer.History, entry))
                return true;
        }

        return false;
    }
}
