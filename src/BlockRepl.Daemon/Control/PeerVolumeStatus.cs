using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Control;

/// <summary>A volume as this node sees it on one peer. Immutable.</summary>
public sealed record PeerVolumeStatus
{
    /// <summary>Name within the resource.</summary>
    public required string Name { get; init; }

    /// <summary>What happens on the volume over this connection.</summary>
    public required ReplicationState ReplicationState { get; init; }

    /// <summary>State of the peer's disk; DUnknown while it is not connected.</summary>
    public DiskState PeerDiskState { get; init; } = DiskState.DUnknown;

    /// <summary>Bytes that are marked as possibly different.</summary>
    public long OutOfSyncBytes { get; init; }

    /// <summary>Whole seconds since the volume was last in sync with the peer: connected, both disks UpToDate, nothing marked; 0 while it is.</summary>
    public long OutOfSyncSeconds { get; init; }

    /// <summary>Per cent of the running resync that is done, 0 to 100; of the whole volume in sync when none runs.</summary>
    public double ResyncPercent { get; init; }

    /// <summary>Seconds until the running resync ends at its present rate; null when none runs or the rate is not known.</summary>
    public long? ResyncEtaSeconds { get; init; }

    /// <summary>What the running resync has to make equal; 0 when none runs.</summary>
    public long ResyncTotalBytes { get; init; }

    /// <summary>How much of that is equal and stable on both nodes.</summary>
    public long ResyncDoneBytes { get; init; }

    /// <summary>Over the last seconds; 0 when stalled or paused.</summary>
    public long ResyncBytesPerSecond { get; init; }

    /// <summary>Found equal by checksum and not sent.</summary>
    public long ResyncEqualBytes { get; init; }

    /// <summary>Zeroes, of which no data was sent.</summary>
    public long ResyncZeroBytes { get; init; }

    /// <summary>What holds the resync up, in words; null if nothing does.</summary>
    public string? ResyncWaitingFor { get; init; }

    /// <summary>The running or the last comparison; null if there was none since the daemon started.</summary>
    public VerifyStatus? Verify { get; init; }

    /// <summary>What both sides changed since they were last in sync, after a split brain was found; null if none was.</summary>
    public SplitBrainStatus? SplitBrain { get; init; }

    /// <summary>Why the volume is not replicated although the nodes are connected, in words; null when it is.</summary>
    public string? Note { get; init; }
}
