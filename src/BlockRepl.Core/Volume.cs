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

    /// <summary>Bytes that clients see: the agreed size, or all that the disk holds before there was a peer to agree with.</summary>
    public long SizeBytes { get; set; }

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

    /// <summary>Changes that wait for <see cref="GenerationPending"/>.</summary>
    public List<ChangeRequest> AwaitingGeneration { get; } = [];

    /// <summary>Metadata writes on their way.</summary>
    public int MetadataWrites { get; set; }

    /// <summary>Stream position up to which this volume is on local stable storage.</summary>
    public SequenceNumber LocalStable { get; set; }

    /// <summary>Stream position of the newest change of this volume.</summary>
    public SequenceNumber LastChange { get; set; }

    public FlushCoordinator Flushes { get; } = new();

    /// <summary>A barrier of the Primary's own is under way.</summary>
    public bool OwnBarrierInFlight { get; set; }

    /// <summary>
    /// The disk failed: what was not flushed may be missing from it, as after a power loss (hard part 12). Whoever attaches it again must not take it for the better copy.
    /// </summary>
    public bool HasFailed { get; set; }

    /// <summary>The edge has closed the disk that failed; the volume is Diskless once nothing of it is left.</summary>
    public bool IsClosed { get; set; }

    public bool HasDisk => Disk > DiskState.Failed;

    /// <summary>Nothing that a client asked for is under way or held back.</summary>
    public bool IsQuiet => Active.Count == 0 && Active.HeldCount == 0 && AwaitingExtent.Count == 0
        && AwaitingGeneration.Count == 0 && !GenerationPending;

    /// <summary>A change that a client asked for is not answered yet, on whatever it waits.</summary>
    public bool HasClientChanges => AwaitingExtent.Count > 0 || AwaitingGeneration.Count > 0 || GenerationPending
        || ActivityLog is { ChangesInFlight: > 0 };

    /// <summary>Stream position up to which the volume is stable on this node and on every peer that mirrors it.</summary>
    public SequenceNumber StableEverywhere()
    {
        SequenceNumber stable = LocalStable;
        foreach (PeerVolume peer in Peers)
        {
            if (peer.IsReplicating && peer.Unstable.Count > 0 && peer.PeerStable < stable)
                stable = peer.PeerStable;
        }

        return stable;
    }
}
