using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>One volume towards one peer (DRBD: peer device): what happens on it and what may differ.</summary>
internal sealed class PeerVolume(Peer peer, Volume volume)
{
    public Peer Peer { get; } = peer;

    public Volume Volume { get; } = volume;

    /// <summary>The peer's slot in this node's metadata; -1 while Diskless.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>Blocks that may differ from the peer's (G8). Null while Diskless.</summary>
    public DirtyBitmap? Bitmap { get; set; }

    public ReplicationState State { get; set; } = ReplicationState.Off;

    public DiskState PeerDisk { get; set; } = DiskState.DUnknown;

    /// <summary>
    /// Every change is put into the peer's stream. When false every change is marked. Switched together with the state that it follows from, so
    /// that each change is mirrored or marked, never neither (I2).
    /// </summary>
    public bool IsReplicating { get; set; }

    /// <summary>On a Secondary: the Primary's own disk is gone, and this node serves it; every change is marked towards the lost disk.</summary>
    public bool IsServing { get; set; }

    /// <summary>
    /// On a Secondary: the Primary has asked to be served, whether this node could or not. Behind that in the stream come changes that the Primary's disk lacks, so that they are marked before they are made (G8).
    /// </summary>
    public bool GetsChangesAlone { get; set; }

    /// <summary>
    /// While this node has no disk: the generation of a disk of its own that the peer's marks towards it count from. Such a disk lacks what is marked there, and no more (I1).
    /// </summary>
    public GenerationId BaseGeneration { get; set; }

    /// <summary>
    /// While this node has no disk: the generations from which the disk that is gone had gone on without the peer, directly or by way of a resync that the peer has not begun, or of others before it (rules 70, 71 and 80 of
    /// <see cref="SyncDecision"/>): a peer with one of them has older data (G6). Empty if it had not; forgotten when the peer has become Primary all the same, and when the daemon ends.
    /// </summary>
    public IReadOnlyList<GenerationId> AheadOf { get; set; } = [];

    /// <summary>Number of the volume in the peer's frames.</summary>
    public VolumeNr PeerNr { get; set; }

    /// <summary>The peer has this volume.</summary>
    public bool IsMatched { get; set; }

    /// <summary>Both disks were there when this connection was made, and were compared: while it lasts a disk of the peer that is lost has nothing that this node does not know of.</summary>
    public bool WasCompared { get; set; }

    /// <summary>Sent and not yet confirmed stable.</summary>
    public UnstableLog Unstable { get; } = new();

    /// <summary>Stream position up to which the peer confirmed this volume as stable.</summary>
    public SequenceNumber PeerStable { get; set; }

    /// <summary>Flushes sent and not yet confirmed, in stream order.</summary>
    public Queue<ChangeRequest> AwaitingStable { get; } = new();

    /// <summary>The peer lacks something that may be answered only under a generation of this node's own, once the peer is known not to go on by itself.</summary>
    public bool OwesGeneration { get; set; }

    /// <summary>
    /// A client's flush waits for this peer. A barrier of the Primary's own promised nobody anything: it is no reason for a generation, which could look like a split brain later (G7).
    /// </summary>
    public bool HasClientFlush
    {
        get
        {
            foreach (ChangeRequest flush in AwaitingStable)
            {
                if ((flush.Flags & ChangeFlags.Background) == 0)
                    return true;
            }

            return false;
        }
    }

    /// <summary>When the oldest change not known to be stable was sent (monotonic ms).</summary>
    public long UnstableSinceMs { get; set; }

    /// <summary>So much is unstable on this peer, or for so long, that a barrier of the Primary's own is due (G12, hard part 1).</summary>
    public bool IsBarrierDue(ResourceSettings settings, long nowMs) =>
        IsReplicating && Unstable.Count > 0 && (Unstable.Count >= settings.EpochWritesMax || nowMs - UnstableSinceMs >= settings.EpochAgeMaxMs);

    /// <summary>Outcome of this connection's handshake.</summary>
    public SyncVerdict Verdict { get; set; }

    /// <summary>This node was Primary when it lost the peer, and has been since.</summary>
    public bool LostAsPrimary { get; set; }

    /// <summary>The save that this connection's resync waits for; null if none is under way (<see cref="SplitBrainSave"/>).</summary>
    public SaveRequest? Saving { get; set; }

    /// <summary>Generation whose changes are in a save file; forgotten with a promotion.</summary>
    public GenerationId SavedGeneration { get; set; }

    /// <summary>The begin of a full resync that came while <see cref="Saving"/> was under way.</summary>
    public Protocol.SyncBeginMessage? DeferredBegin { get; set; }

    /// <summary>What both sides changed since they were last in sync, if the last handshake found a split brain; null once they are connected.</summary>
    public Divergence? Divergence { get; set; }

    /// <summary>Generation of a resync that this node named as its source and that the peer has not been heard to begin; none otherwise.</summary>
    public GenerationId AnnouncedGeneration { get; set; }

    /// <summary>The resync in which this node is the source.</summary>
    public SourceJob? Source { get; set; }

    /// <summary>The resync in which this node is the target.</summary>
    public TargetJob? Target { get; set; }

    /// <summary>Blocks that the peer reports as marked against this node while nothing is being resynced: what a comparison found is marked on one side only.</summary>
    public long PeerMarkedBlocks { get; set; }

    /// <summary>The comparison in which this node sends the digests.</summary>
    public VerifyJob? Verify { get; set; }

    /// <summary>The comparison in which this node receives the digests.</summary>
    public VerifyTargetJob? VerifyTarget { get; set; }

    /// <summary>How the last comparison ended.</summary>
    public VerifyReport? LastVerify { get; set; }

    /// <summary>Marks are a comparison's findings.</summary>
    public bool HasVerifyMarks { get; set; }

    /// <summary>The link over which a comparison's repair was announced: what is left of one that was stopped is passed over.</summary>
    public LinkId RepairedOn { get; set; }

    /// <summary>Out-of-sync blocks that the peer last reported; used for display while this node is the target.</summary>
    public long PeerReportedDirtyBlocks { get; set; }

    /// <summary>This connection's handshake was between nodes one of which had crashed as Primary.</summary>
    public bool IsAfterCrash { get; set; }

    /// <summary>This node's operator has paused resyncs of the volume; outlives connections.</summary>
    public bool IsPausedHere { get; set; }

    /// <summary>The peer's operator has, as the peer says on this connection.</summary>
    public bool IsPausedThere { get; set; }

    /// <summary>How the resync goes in which this node is the target, as the source last said.</summary>
    public ResyncStatus? PeerResync { get; set; }

    /// <summary>The pauses of both sides add up.</summary>
    public bool IsPaused => IsPausedHere || IsPausedThere || AwaitsTurn;

    /// <summary>Another volume of this node goes first (<c>resync-after</c>).</summary>
    public bool AwaitsTurn { get; set; }

    /// <summary>
    /// A disk failed, here or there: what belonged to a resync may still be on its way, and the other side learns it from the status on its.
    /// </summary>
    public bool HasLostDisk => !Volume.HasDisk || PeerDisk <= DiskState.Failed;

    /// <summary>Marks the blocks that a range touches. Returns how many were not marked before.</summary>
    public long Mark(ByteRange range)
    {
        if (Bitmap is null || range.Length == 0)
            return 0;
        long first = range.FirstBlock;
        long count = Math.Min(Canary.PartialBlockNotMarked ? range.Length >> Block.Shift : range.BlockCount, Bitmap.BlockCount - first);
        if (count <= 0)
            return 0;
        long added = Bitmap.Set(first, count);
        Source?.NoteMark(first, count);
        Verify?.Repairing?.NoteMark(range);
        return added;
    }
}
