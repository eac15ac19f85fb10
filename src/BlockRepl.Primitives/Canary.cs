namespace BlockRepl.Primitives;

/// <summary>
/// Faults of one line, each planted at the place of the protection that it takes away, to prove that the simulator can fail (docs/canaries.md). Only a build with
/// <c>-p:Canaries=true</c> has any, in a folder of its own, and there at most one is on. In every other build each is the constant false: the compiler folds it away, and the
/// fault with it, so nothing is left that could be turned on.
/// </summary>
public static class Canary
{
#if CANARIES
    private static string? _on;

    /// <summary>
    /// Turns one canary on and any other off, for the whole process; by its name in words (<c>barrier-not-flushed</c> is <c>BarrierNotFlushed</c>). Empty: all off. False if there is
    /// none of that name.
    /// </summary>
    public static bool TryTurnOn(string name)
    {
        string member = name.Replace("-", "", StringComparison.Ordinal);
        _on = Array.Find(typeof(Canary).GetProperties(), property => property.Name.Equals(member, StringComparison.OrdinalIgnoreCase))?.Name;
        return _on is not null || name.Length == 0;
    }

    private static bool IsOn(string member) => _on is not null && string.Equals(_on, member, StringComparison.Ordinal);

#pragma warning disable CS1591 // The attribute says it.
    [CanaryFacts("G1 G3", "a Secondary confirms a barrier as stable without flushing its disk", SeedsMax = 30)]
    public static bool BarrierNotFlushed => IsOn(nameof(BarrierNotFlushed));

    [CanaryFacts("G3", "a barrier is flushed before the changes in front of it are written", SeedsMax = 160)]
    public static bool BarrierOvertakesChanges => IsOn(nameof(BarrierOvertakesChanges));

    [CanaryFacts("G3", "a barrier of any volume flushes the disk of the first", SeedsMax = 152)]
    public static bool BarrierFlushesFirstVolume => IsOn(nameof(BarrierFlushesFirstVolume));

    [CanaryFacts("G1, hard part 12", "a flush that failed counts as one that succeeded", SeedsMax = 52)]
    public static bool FailedFlushIgnored => IsOn(nameof(FailedFlushIgnored));

    [CanaryFacts("G1, hard part 9", "a flush is answered by one that began before the writes it must cover", SeedsMax = 40)]
    public static bool FlushJoinsRunning => IsOn(nameof(FlushJoinsRunning));

    [CanaryFacts("G1", "a generation of this node's own becomes durable before what was acknowledged under the old one is flushed", SeedsMax = 76)]
    public static bool GenerationNotFlushed => IsOn(nameof(GenerationNotFlushed));

    [CanaryFacts("G3", "the peer writes without force unit access what the client wrote with it", SeedsMax = 80)]
    public static bool FuaNotForwarded => IsOn(nameof(FuaNotForwarded));

    [CanaryFacts("G2", "a write under protocol C is answered before the peer has it", SeedsMax = 84)]
    public static bool AnswerBeforePeer => IsOn(nameof(AnswerBeforePeer));

    [CanaryFacts("G2", "under protocol C the peer's receipt of a write counts as its write", SeedsMax = 240)]
    public static bool ReceiptCountsAsWritten => IsOn(nameof(ReceiptCountsAsWritten));

    [CanaryFacts("G7, hard part 3", "a write that the peer lacks is answered before the new generation is durable", SeedsMax = 36)]
    public static bool AnswerBeforeGeneration => IsOn(nameof(AnswerBeforeGeneration));

    [CanaryFacts("G11", "a write that the local disk refused and nobody else has is answered as done", SeedsMax = 76)]
    public static bool FailedWriteAnsweredOk => IsOn(nameof(FailedWriteAnsweredOk));

    [CanaryFacts("G5 G11", "a Secondary confirms a write that its disk refused", SeedsMax = 100)]
    public static bool PeerWriteFailureIgnored => IsOn(nameof(PeerWriteFailureIgnored));

    [CanaryFacts("G5, hard part 13", "a Secondary does not carry out trims", SeedsMax = 30)]
    public static bool TrimNotMirrored => IsOn(nameof(TrimNotMirrored));

    [CanaryFacts("G5, hard part 7", "writes that overlap run at once", SeedsMax = 30)]
    public static bool OverlapsUnordered => IsOn(nameof(OverlapsUnordered));

    [CanaryFacts("G5, hard part 11", "a frame of an old connection takes effect", SeedsMax = 40)]
    public static bool OldLinkCounts => IsOn(nameof(OldLinkCounts));

    [CanaryFacts("G11, hard part 17", "the late completion of a disk that was given up counts", SeedsMax = 30)]
    public static bool LateCompletionCounts => IsOn(nameof(LateCompletionCounts));

    [CanaryFacts("G11, hard part 10", "reads are served from a disk that is lost or not current yet", SeedsMax = 60)]
    public static bool LostDiskServesReads => IsOn(nameof(LostDiskServesReads));

    [CanaryFacts("G8, hard part 2", "a change starts before its extent is durable in the activity log", SeedsMax = 30)]
    public static bool ChangeBeforeLogDurable => IsOn(nameof(ChangeBeforeLogDurable));

    [CanaryFacts("G8, hard part 2", "an extent leaves the activity log when it is stable on this node alone", SeedsMax = 80)]
    public static bool ExtentLeavesWhenStableHere => IsOn(nameof(ExtentLeavesWhenStableHere));

    [CanaryFacts("G8", "an extent leaves the activity log before its marks are durable", SeedsMax = 30)]
    public static bool EvictedMarksNotWritten => IsOn(nameof(EvictedMarksNotWritten));

    [CanaryFacts("G8, hard part 5", "after a crash the extents of the activity log are not marked", SeedsMax = 30)]
    public static bool LogNotMarkedAtAttach => IsOn(nameof(LogNotMarkedAtAttach));

    [CanaryFacts("G8, hard part 1", "what a lost peer had not confirmed as stable is not marked", SeedsMax = 30)]
    public static bool UnstableNotMarked => IsOn(nameof(UnstableNotMarked));

    [CanaryFacts("G8", "what is written without the peer is not marked", SeedsMax = 30)]
    public static bool AloneNotMarked => IsOn(nameof(AloneNotMarked));

    [CanaryFacts("G8, hard part 27", "a block that a change touches in part is not marked", SeedsMax = 30)]
    public static bool PartialBlockNotMarked => IsOn(nameof(PartialBlockNotMarked));

    [CanaryFacts("G5, hard part 18", "equal generations with marks count as in sync", SeedsMax = 30)]
    public static bool MarkedCountsAsEqual => IsOn(nameof(MarkedCountsAsEqual));

    [CanaryFacts("G8", "a resync copies the source's marks and not the target's", SeedsMax = 30)]
    public static bool TargetsMarksIgnored => IsOn(nameof(TargetsMarksIgnored));

    [CanaryFacts("G8 G9, hard part 4", "a mark is cleared before the target has flushed the block", SeedsMax = 30)]
    public static bool MarkClearedUnflushed => IsOn(nameof(MarkClearedUnflushed));

    [CanaryFacts("G8 G9", "the target of a resync confirms a checkpoint without flushing its disk", SeedsMax = 32)]
    public static bool CheckpointNotFlushed => IsOn(nameof(CheckpointNotFlushed));

    [CanaryFacts("G8 G9", "the target of a resync confirms a checkpoint before the writes in front of it are done", SeedsMax = 52)]
    public static bool CheckpointBeforeWrites => IsOn(nameof(CheckpointBeforeWrites));

    [CanaryFacts("G9, hard part 7", "a resync reads a block while a write to it is under way, and sends the older content after it", SeedsMax = 200)]
    public static bool ResyncReadUnordered => IsOn(nameof(ResyncReadUnordered));

    [CanaryFacts("G9, hard part 10", "resync data overwrites what a Primary with a returning disk has written since", SeedsMax = 240)]
    public static bool OlderResyncDataWritten => IsOn(nameof(OlderResyncDataWritten));

    [CanaryFacts("G5 G9", "the target of a resync does not write ranges of zeroes", SeedsMax = 30)]
    public static bool ZeroesNotWritten => IsOn(nameof(ZeroesNotWritten));

    [CanaryFacts("G9", "a resync ends while data is still on the way to the target", SeedsMax = 30)]
    public static bool ResyncEndsEarly => IsOn(nameof(ResyncEndsEarly));

    [CanaryFacts("G6 G9", "the target of a resync says on its disk that it is UpToDate", SeedsMax = 30)]
    public static bool InconsistentNotDurable => IsOn(nameof(InconsistentNotDurable));

    [CanaryFacts("G6", "a node that does not know whether its peer went on is promoted without evidence", SeedsMax = 30)]
    public static bool ConsistentPromoted => IsOn(nameof(ConsistentPromoted));

    [CanaryFacts("G6", "a node that says it is Outdated forgets it with a restart", SeedsMax = 30)]
    public static bool OutdatedNotDurable => IsOn(nameof(OutdatedNotDurable));

    [CanaryFacts("G4, hard part 11", "a node is promoted before what it has received is written", SeedsMax = 160)]
    public static bool PromotedUnsettled => IsOn(nameof(PromotedUnsettled));

    [CanaryFacts("G6, hard part 20", "a Primary lets its peer become Primary", SeedsMax = 30)]
    public static bool SecondPrimaryGranted => IsOn(nameof(SecondPrimaryGranted));

    [CanaryFacts("G2", "a crashed Primary that lost power with its host overwrites the survivor", SeedsMax = 60)]
    public static bool PowerLossForgotten => IsOn(nameof(PowerLossForgotten));

    [CanaryFacts("G7", "a forced promotion goes on under the generation that it found", SeedsMax = 64)]
    public static bool ForcedKeepsGeneration => IsOn(nameof(ForcedKeepsGeneration));

    [CanaryFacts("G7", "a split brain is resolved for the higher generation id", SeedsMax = 30)]
    public static bool HigherGenerationWins => IsOn(nameof(HigherGenerationWins));

    [CanaryFacts("G7 G8, hard part 18", "a node says its state in a handshake while changes are under way", SeedsMax = 64)]
    public static bool StateSaidTooEarly => IsOn(nameof(StateSaidTooEarly));

    [CanaryFacts("G13", "a Primary that must fence a lost peer answers writes before it is fenced", SeedsMax = 60)]
    public static bool NotFrozenForFence => IsOn(nameof(NotFrozenForFence));

    [CanaryFacts("G13, hard part 21", "a fence handler's answer counts for another loss than the one it was asked about", SeedsMax = 240)]
    public static bool StaleFenceAnswerCounts => IsOn(nameof(StaleFenceAnswerCounts));

    [CanaryFacts("G6 G13, hard part 21", "exit code 5 of fence-peer counts on a node that is not UpToDate", SeedsMax = 64)]
    public static bool UnreachableCountsAsFenced => IsOn(nameof(UnreachableCountsAsFenced));

    [CanaryFacts("G6 G13", "what was known of an absent peer still counts after it has been connected again", SeedsMax = 60)]
    public static bool EvidenceOutlivesHandshake => IsOn(nameof(EvidenceOutlivesHandshake));

    [CanaryFacts("I19", "suspend-io is over while changes are under way", SeedsMax = 30)]
    public static bool SuspendEndsEarly => IsOn(nameof(SuspendEndsEarly));

    [CanaryFacts("G10", "a data frame with a wrong checksum is taken", SeedsMax = 92)]
    public static bool DataChecksumIgnored => IsOn(nameof(DataChecksumIgnored));

    [CanaryFacts("G10", "a message with a wrong checksum is taken", SeedsMax = 56)]
    public static bool FrameChecksumIgnored => IsOn(nameof(FrameChecksumIgnored));

    [CanaryFacts("G10", "a superblock with a wrong checksum is taken", SeedsMax = 240)]
    public static bool TornSuperblockTaken => IsOn(nameof(TornSuperblockTaken));

    [CanaryFacts("G10", "an activity-log transaction with a wrong checksum is taken", SeedsMax = 80)]
    public static bool TornLogTaken => IsOn(nameof(TornLogTaken));

    [CanaryFacts("G8 G10", "a block of the bitmap with a wrong checksum is taken", SeedsMax = 120)]
    public static bool TornBitmapTaken => IsOn(nameof(TornBitmapTaken));
#pragma warning restore CS1591
#else
#pragma warning disable CS1591 // The other half of this file says what each takes away.
    public const bool BarrierNotFlushed = false;
    public const bool BarrierOvertakesChanges = false;
    public const bool BarrierFlushesFirstVolume = false;
    public const bool FailedFlushIgnored = false;
    public const bool FlushJoinsRunning = false;
    public const bool GenerationNotFlushed = false;
    public const bool FuaNotForwarded = false;
    public const bool AnswerBeforePeer = false;
    public const bool ReceiptCountsAsWritten = false;
    public const bool AnswerBeforeGeneration = false;
    public const bool FailedWriteAnsweredOk = false;
    public const bool PeerWriteFailureIgnored = false;
    public const bool TrimNotMirrored = false;
    public const bool OverlapsUnordered = false;
    public const bool OldLinkCounts = false;
    public const bool LateCompletionCounts = false;
    public const bool LostDiskServesReads = false;
    public const bool ChangeBeforeLogDurable = false;
    public const bool ExtentLeavesWhenStableHere = false;
    public const bool EvictedMarksNotWritten = false;
    public const bool LogNotMarkedAtAttach = false;
    public const bool UnstableNotMarked = false;
    public const bool AloneNotMarked = false;
    public const bool PartialBlockNotMarked = false;
    public const bool MarkedCountsAsEqual = false;
    public const bool TargetsMarksIgnored = false;
    public const bool MarkClearedUnflushed = false;
    public const bool CheckpointNotFlushed = false;
    public const bool CheckpointBeforeWrites = false;
    public const bool ResyncReadUnordered = false;
    public const bool OlderResyncDataWritten = false;
    public const bool ZeroesNotWritten = false;
    public const bool ResyncEndsEarly = false;
    public const bool InconsistentNotDurable = false;
    public const bool ConsistentPromoted = false;
    public const bool OutdatedNotDurable = false;
    public const bool PromotedUnsettled = false;
    public const bool SecondPrimaryGranted = false;
    public const bool PowerLossForgotten = false;
    public const bool ForcedKeepsGeneration = false;
    public const bool HigherGenerationWins = false;
    public const bool StateSaidTooEarly = false;
    public const bool NotFrozenForFence = false;
    public const bool StaleFenceAnswerCounts = false;
    public const bool UnreachableCountsAsFenced = false;
    public const bool EvidenceOutlivesHandshake = false;
    public const bool SuspendEndsEarly = false;
    public const bool DataChecksumIgnored = false;
    public const bool FrameChecksumIgnored = false;
    public const bool TornSuperblockTaken = false;
    public const bool TornLogTaken = false;
    public const bool TornBitmapTaken = false;
#pragma warning restore CS1591
#endif
}
