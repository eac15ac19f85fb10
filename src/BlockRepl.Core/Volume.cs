using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>One volume of the resource on this node. Owned by <see cref="ResourceCore"/>; touched only under the gate.</summary>
internal sealed class Volume
{
    public Volume(VolumeNr nr, string name, int peers)
    {
        Nr = nr;
        Name = name;
        Peers = new PeerVolume[peers];
    }

    public VolumeNr Nr { get; }

    public string Name { get; }

    /// <summary>This volume as seen by each peer.</summary>
    public PeerVolume[] Peers { get; }

    public DiskState Disk { get; set; } = DiskState.Diskless;

    /// <summary>
    /// The superblock as it is meant to be: what was last handed out for writing, or newer than what is durable while a write of it is under way. Null while Diskless.
    /// </summary>
    public Superblock? Superblock { get; set; }

    /// <summary>The newest superblock that is durable; null while Diskless.</summary>
    public Superblock? Durable { get; set; }

    /// <summary>Bytes that clients see: the agreed size, or all that the disk holds before there was a peer to agree with.</summary>
    public long SizeBytes { get; set; }

    /// <summary>It came while this node was Primary: its first disk, which must never have held data, may be attached all the same.</summary>
    public bool IsNewOnPrimary { get; set; }

    /// <summary>Bytes that the disk can hold; more than <see cref="SizeBytes"/> where the peer's is smaller, or before a resize.</summary>
    public long CapacityBytes { get; set; }

    public ActiveChanges Active { get; } = new();

    /// <summary>Null while Diskless.</summary>
    public ActivityLog? ActivityLog { get; set; }

    /// <summary>What the last attachment made of the log that it found.</summary>
    public AppliedLog AppliedLog { get; set; }

    /// <summary>An activity-log transaction is on its way to disk.</summary>
    public bool ActivityLogWriting { get; set; }

    /// <summary>Changes that wait for an extent to become active, in the order in which they came.</summary>
    public List<ChangeRequest> AwaitingExtent { get; set; } = [];

    /// <summary>A new generation is on its way to disk (I9): until it is durable nothing is answered that relies on it.</summary>
    public bool GenerationPending { get; set; }

    /// <summary>The new generation waits for a flush and must not become durable before it: no other write of the superblock may carry it.</summary>
    public bool GenerationAwaitsFlush { get; set; }

    /// <summary>Changes that wait until a peer that is gone is known not to go on by itself, in no order.</summary>
    public List<ChangeRequest> AwaitingFence { get; } = [];

    /// <summary>Changes that wait for <see cref="GenerationPending"/>.</summary>
    public List<ChangeRequest> AwaitingGeneration { get; } = [];

    /// <summary>Metadata writes on their way, in order.</summary>
    public List<MetadataWrite> PendingMetadata { get; } = [];

    /// <summary>Metadata writes on their way.</summary>
    public int MetadataWrites => PendingMetadata.Count;

    /// <summary>Operations that a disk was asked for before it was given up, and that have not come back: whatever they bring is ignored (hard part 17).</summary>
    public int LateOperations { get; set; }

    /// <summary>Who serves this volume instead of its own disk, on a Primary.</summary>
    public RemoteState Remote { get; } = new();

    /// <summary>A peer serves this volume.</summary>
    public bool IsServed => Remote.Server is not null;

    /// <summary>Changes and flushes under way whose only copy is the server's.</summary>
    public int ServedChanges { get; set; }

    /// <summary>The local disk was attached under a Primary and is not current yet: no read of a client's may see it.</summary>
    public bool IsReturning { get; set; }

    /// <summary>The disk was on its way back when its server was lost: it is attached again when the server is there again.</summary>
    public bool AttachesAgain { get; set; }

    /// <summary>The returning disk takes every change from here on: its resync has begun.</summary>
    public bool MirrorsBack { get; set; }

    /// <summary>Stream position behind which every change is on the returning disk as well: what came before, only the resync brings.</summary>
    public SequenceNumber MirrorsFrom { get; set; }

    /// <summary>Number that the edge gave the attached disk, so that an error of an earlier one is not taken for this one's.</summary>
    public ulong DiskSerial { get; set; }

    /// <summary>What the local disk was asked for and has not finished, but for the reads of a resync, which may wait for the link.</summary>
    public int LocalOperations { get; set; }

    /// <summary>When the local disk last finished anything, or last had nothing to do (monotonic ms).</summary>
    public long DiskProgressMs { get; set; }

    /// <summary>Stream position up to which this volume is on local stable storage.</summary>
    public SequenceNumber LocalStable { get; set; }

    /// <summary>Stream position of the newest change of this volume.</summary>
    public SequenceNumber LastChange { get; set; }

    public FlushCoordinator Flushes { get; } = new();

    /// <summary>Clients' flushes under way.</summary>
    public int ClientFlushes { get; set; }

    /// <summary>A barrier of the Primary's own is under way.</summary>
    public bool OwnBarrierInFlight { get; set; }

    /// <summary>
    /// The disk failed: what was not flushed may be missing from it, as after a power loss (hard part 12). Whoever attaches it again must not take it for the better copy.
    /// </summary>
    public bool HasFailed { get; set; }

    /// <summary>
    /// The generation of a disk that is gone, where this node had gone on with it without its peers: none of them has what was answered under it, and none may serve in its place (G6). None otherwise;
    /// forgotten by a promotion that is forced, and when the daemon ends.
    /// </summary>
    public GenerationId AheadGeneration { get; set; }

    /// <summary>
    /// Generations of a disk in whose place this node has asked a peer to serve: the peer may have gone on from them. A disk that comes back with one of them, without the peer, is Outdated (G6), and nothing of its own goes
    /// on from there (G7).
    /// </summary>
    public HashSet<GenerationId> Overtaken { get; } = [];

    /// <summary>
    /// A connected peer was Primary, with a disk, while this Secondary had none for the volume, so that the disk lacks what the peer wrote, and the other volumes do not. It is Outdated when it comes back, until a handshake has
    /// compared it, whatever the fencing policy (G4, G6).
    /// </summary>
    public bool IsLeftBehind { get; set; }

    /// <summary>What the disk may lack is durably on record on it (Outdated, Inconsistent), or made good (UpToDate). An Inconsistent one has still a generation that a peer may have gone on from.</summary>
    public void ForgetOvertaken(DiskState onRecord)
    {
        if (onRecord != DiskState.Inconsistent)
            Overtaken.Clear();
        IsLeftBehind = false;
    }

    /// <summary>The edge has closed the disk that failed; the volume is Diskless once nothing of it is left.</summary>
    public bool IsClosed { get; set; }

    public bool HasDisk => Disk > DiskState.Failed;

    /// <summary>
    /// The disk's state as far as a peer may rely on it. That this node cannot go on by itself is evidence there, as good as a fence (G13): not said before a crash here can no longer take it
    /// back. A disk that comes back under a Primary is nobody's to go on with.
    /// </summary>
    public DiskState SaidDisk(Role role)
    {
        bool isWorse = role != Role.Primary && Disk is DiskState.Inconsistent or DiskState.Outdated;
        if (!isWorse || Durable is not { } durable || (durable.Flags & SuperblockFlags.Consistent) == 0)
            return Disk;
        if ((durable.Flags & SuperblockFlags.Outdated) != 0)
            return DiskState.Outdated;
        return (durable.Flags & SuperblockFlags.WasUpToDate) != 0 ? DiskState.UpToDate : DiskState.Consistent;
    }

    /// <summary>Changes of clients go to the local disk.</summary>
    public bool WritesLocally => HasDisk && (!IsReturning || MirrorsBack);

    /// <summary>A Primary's clients can be served: from the local disk or by a peer.</summary>
    public bool IsAccessible => IsServed || HasCurrentDisk;

    /// <summary>Has a local disk that is as current as the resource is: not one that comes back under this Primary, and is resynced.</summary>
    public bool HasCurrentDisk => HasDisk && !IsReturning;

    /// <summary>Nothing that a client asked for is under way or held back.</summary>
    public bool IsQuiet => Active.Count == 0 && Active.HeldCount == 0 && AwaitingExtent.Count == 0
        && AwaitingGeneration.Count == 0 && !GenerationPending && ServedChanges == 0;

    /// <summary>A change that a client asked for is not answered yet, on whatever it waits.</summary>
    public bool HasClientChanges => AwaitingExtent.Count > 0 || AwaitingGeneration.Count > 0 || GenerationPending
        || ServedChanges > 0 || ActivityLog is { ChangesInFlight: > 0 };

    /// <summary>
    /// Whether a change that overlaps waits for an extent. It has its place before a later one, also where the later one's own extents are active: the earlier may be a
    /// dead connection's, which its client has long sent again (hard parts 7 and 8).
    /// </summary>
    public bool WaitsForExtent(ByteRange range)
    {
        foreach (ChangeRequest earlier in AwaitingExtent)
        {
            if (earlier.Range.Overlaps(range))
                return true;
        }

        return false;
    }

    /// <summary>Stream position up to which the volume is stable on this node and on every peer that mirrors it.</summary>
    public SequenceNumber StableEverywhere()
    {
        SequenceNumber stable = LocalStable;
        foreach (PeerVolume peer in Peers)
        {
            if (peer.IsReplicating && peer.Unstable.Count > 0 && peer.PeerStable < stable && !Canary.ExtentLeavesWhenStableHere)
                stable = peer.PeerStable;
        }

        return stable;
    }
}
