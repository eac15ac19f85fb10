using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Control;

/// <summary>A resource at one instant, as <c>status --json</c> prints it. Immutable.</summary>
public sealed record ResourceStatus
{
    /// <summary>Name of the resource.</summary>
    public required string Name { get; init; }

    /// <summary>This node's role.</summary>
    public required Role Role { get; init; }

    /// <summary>Why client I/O is held, a word each; empty when it is not.</summary>
    public IReadOnlyList<string> Suspended { get; init; } = [];

    /// <summary>The reasons of <see cref="Suspended"/> with what each waits for and since when.</summary>
    public IReadOnlyList<SuspensionStatus> SuspendedDetails { get; init; } = [];

    /// <summary>Every configured volume, in the order of the configuration.</summary>
    public required IReadOnlyList<VolumeStatus> Volumes { get; init; }

    /// <summary>Every configured peer, connected or not.</summary>
    public required IReadOnlyList<ConnectionStatus> Connections { get; init; }

    /// <summary>This node's name.</summary>
    public required string Node { get; init; }

    /// <summary>When a write counts as done.</summary>
    public WriteProtocol Protocol { get; init; } = WriteProtocol.C;

    /// <summary>True on a Secondary when <c>primary</c> without <c>--force</c> would succeed without asking a handler; false on a Primary.</summary>
    public bool MayPromote { get; init; }

    /// <summary>
    /// How good a Primary this node would make, by DRBD's formula: 10000 if every volume has a local disk, 100 for each local volume that is UpToDate (at most 99), 1 for each UpToDate
    /// replica of the volume that has the fewest; 0 if some volume has none, or while requests wait for data or fail for want of it.
    /// </summary>
    public int PromotionScore
    {
        get
        {
            const int CountMax = 99;
            int replicas = Volumes.Select(ReplicasOf).DefaultIfEmpty(0).Min();
            if (replicas == 0 || Suspended.Contains("no-data") || Volumes.Any(static volume => volume.NoData is not null))
                return 0;
            bool hasDisks = Volumes.All(static volume => volume.DiskState > DiskState.Failed);
            int local = Volumes.Count(static volume => volume.DiskState == DiskState.UpToDate);
            return (hasDisks ? 10_000 : 0) + 100 * Math.Min(local, CountMax) + Math.Min(replicas, CountMax);
        }
    }

    /// <summary>Why <see cref="MayPromote"/> is false, in words; null when it is true, and on a Primary.</summary>
    public string? WhyNotPromotable { get; init; }

    /// <summary>What would help the state that the resource is in; null when it needs no help.</summary>
    public string? Hint { get; init; }

    /// <summary>A promotion waits for the fence-peer handler.</summary>
    public bool AwaitsFence { get; init; }

    /// <summary>What is done about a lost peer: <c>dont-care</c>, <c>resource-only</c> or <c>resource-and-stonith</c>.</summary>
    public string Fencing { get; init; } = "dont-care";

    /// <summary>A fence-peer handler is configured: with a fencing policy, a lost peer is fenced without a person.</summary>
    public bool HasFencePeer { get; init; }

    /// <summary>What came of the handlers that were called, a row a handler and exit code.</summary>
    public IReadOnlyList<HandlerStatus> Handlers { get; init; } = [];

    /// <summary>Whole seconds since the daemon took the resource up, by a clock that nobody sets.</summary>
    public long RunningSeconds { get; init; }

    /// <summary>What the verb <c>note</c> left for whoever looks next: a cluster manager's agent says here why it does not promote; null if nothing.</summary>
    public string? Note { get; init; }

    private int ReplicasOf(VolumeStatus volume) => (volume.DiskState == DiskState.UpToDate ? 1 : 0)
        + Connections.Count(connection => connection.Volumes.Any(there => there.Name == volume.Name && there.PeerDiskState == DiskState.UpToDate));
}
