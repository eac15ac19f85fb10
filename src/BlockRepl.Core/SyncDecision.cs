using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Compares two nodes' generations of one volume: who, if anyone, has what the other lacks. A pure function; both nodes call it with the arguments
/// swapped and must get mirrored results (hard part 19). The rules and their numbers are DRBD's two-node table (research section 1.3,
/// <c>drbd_uuid_compare</c> of DRBD 8.4), with two additions: rule 40 prefers data of a host that kept its page cache, rule 42 knows marks without a crash.
/// <see cref="ResourceDecision"/> makes of it what is done.
/// </summary>
public static class SyncDecision
{
    /// <summary>What is done about a resource with one volume, without policies.</summary>
    public static SyncVerdict Decide(GenerationFacts self, GenerationFacts peer) =>
        ResourceDecision.Decide([(self, peer)], SplitBrainPolicies.Default)[0];

    /// <summary>What the generations and crash flags say, before disk states, roles and policies.</summary>
    internal static SyncVerdict Compare(GenerationFacts self, GenerationFacts peer)
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
        if (WentOnFrom(peer, self.Current) && WentOnFrom(self, peer.Current))
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
        if (peer.History.Contains(self.Current))
            return new SyncVerdict(SyncResult.TargetFull, 60, "this side's generation is in the peer's history");
        if (self.History.Contains(peer.Current))
            return new SyncVerdict(SyncResult.SourceFull, 80, "the peer's generation is in this side's history");
        if (!self.Bitmap.IsNone && self.Bitmap == peer.Bitmap)
        {
            return Canary.HigherGenerationWins ? Copy(self.Current.Value > peer.Current.Value, false, 90, "canary")
                : new SyncVerdict(SyncResult.SplitBrain, 90, "both sides went on from the same generation");
        }

        if (BeganUnheard(self, peer) || BeganUnheard(peer, self))
            return new SyncVerdict(SyncResult.SplitBrain, 90, "both sides went on from the same generation, and one missed the begin of a resync");
        if (HaveCommonAncestor(self, peer))
            return new SyncVerdict(SyncResult.SplitBrain, 100, "both sides went on from a generation in their history");
        return new SyncVerdict(SyncResult.Unrelated, 1000, "the two sides have no generation in common");
    }

    internal static SyncVerdict Copy(bool selfIsSource, bool full, int rule, string reason) => new(
        selfIsSource
            ? full ? SyncResult.SourceFull : SyncResult.SourceBitmap
            : full ? SyncResult.TargetFull : SyncResult.TargetBitmap,
        rule,
        reason);

    private static SyncVerdict CompareEqual(GenerationFacts self, GenerationFacts peer)
    {
        // Equal generations: one side may have missed the end of a resync (34, 35), or never have written its begin (36, 37). The other still tracks, so it is the source.
        if (!self.Bitmap.IsNone && peer.Bitmap.IsNone)
        {
            return IsNewestHistory(peer, self.Bitmap)
                ? new SyncVerdict(SyncResult.SourceBitmap, 34, "this side was the source of the last resync and missed its end")
                : new SyncVerdict(SyncResult.SourceBitmap, 36, "this side was the source of a resync that the peer has not begun");
        }

        if (self.Bitmap.IsNone && !peer.Bitmap.IsNone)
        {
            return IsNewestHistory(self, peer.Bitmap)
                ? new SyncVerdict(SyncResult.TargetBitmap, 35, "the peer was the source of the last resync and missed its end")
                : new SyncVerdict(SyncResult.TargetBitmap, 37, "the peer was the source of a resync that this side has not begun");
        }

        // Same generation, nobody went on alone; but blocks may differ (I10): a Primary that crashed with writes in flight, or a
        // write that the peer had not made stable when the link was lost. Marks name those blocks.
        bool marked = (self.DirtyBlocks > 0 || peer.DirtyBlocks > 0) && !Canary.MarkedCountsAsEqual;
        bool crashed = self.CrashedPrimary || peer.CrashedPrimary;
        if (!marked && !crashed)
            return new SyncVerdict(SyncResult.None, 40, "equal");

        if (self.Role == Role.Primary || peer.Role == Role.Primary)
        {
            if (self.Role == peer.Role)
            {
                // One generation: neither wrote alone, so they have not diverged (G7; DRBD calls it a split brain). They cannot be connected all the same.
                return new SyncVerdict(SyncResult.Impossible, 41, "both sides are Primary");
            }

            return Copy(self.Role == Role.Primary, false, 41, "the Primary's data counts");
        }

        if (self.TookOver != peer.TookOver && (self.TookOver ? peer : self).LostPower)
        {
            // It has written nothing since, or the generation would say so; and it had everything of the other's reign stable, whatever power it has lost since (G1, G2, docs/decisions/0190). A host that kept its power has
            // everything too: against that the flag does not count, for it is taken back without waiting, and a crash may bring it back.
            return Copy(self.TookOver, false, 40, "one side took over from the other, and they have not met since");
        }

        if (self.CrashedPrimary != peer.CrashedPrimary)
        {
            GenerationFacts former = self.CrashedPrimary ? self : peer;
            GenerationFacts other = self.CrashedPrimary ? peer : self;
            // The former Primary's disk holds every acknowledged write unless its host lost the page cache; then the other side
            // does, unless it lost its own (G2 to G4). DRBD always takes the former Primary.
            bool formerIsSource = !former.LostPower || other.LostPower || Canary.PowerLossForgotten;
            return Copy(formerIsSource == self.CrashedPrimary, false, 40, "the Primary crashed");
        }

        if (self.CrashedPrimary)
        {
            // The later of the two had everything stable before it was Primary, and has written nothing since. Whoever kept its power has all that was acknowledged in either reign; version 1 does not ask.
            bool isOneWhole = self.LostPower != peer.LostPower && !self.IsVersion1 && !peer.IsVersion1;
            return Copy(isOneWhole ? peer.LostPower : IsFirst(self, peer), false, 40, "both sides crashed as Primary");
        }

        if (self.DirtyBlocks > 0 != peer.DirtyBlocks > 0)
            return Copy(self.DirtyBlocks > 0, false, 42, "one side has marks");
        return Copy(IsFirst(self, peer), false, 42, "both sides have marks");
    }

    private static bool WentOnFrom(GenerationFacts of, GenerationId id) => of.Bitmap == id || of.History.Contains(id);

    private static bool IsNewestHistory(GenerationFacts of, GenerationId id) => of.History.Length > 0 && of.History[0] == id;

    private static bool IsFirst(GenerationFacts self, GenerationFacts peer) => string.CompareOrdinal(self.Node, peer.Node) < 0;

    // The source of a resync named it, which moved the generation that both went on from into its history, and the target never began: the source's marks are whole.
    // Protocol version 1 does not know this case; there the two must go on calling it 100 (hard part 19).
    private static bool BeganUnheard(GenerationFacts source, GenerationFacts target) =>
        !source.IsVersion1 && !source.Bitmap.IsNone && !target.Bitmap.IsNone && IsNewestHistory(source, target.Bitmap);

    private static bool HaveCommonAncestor(GenerationFacts self, GenerationFacts peer)
    {
        if (!self.Bitmap.IsNone && peer.History.Contains(self.Bitmap) || !peer.Bitmap.IsNone && self.History.Contains(peer.Bitmap))
            return true;
        foreach (GenerationId entry in self.History)
        {
            if (entry.IsReal && peer.History.Contains(entry))
                return true;
        }

        return false;
    }
}
