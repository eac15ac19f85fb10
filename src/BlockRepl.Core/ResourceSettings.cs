using System.Collections.Immutable;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>What Core needs to know of a resource's configuration. Times are in milliseconds; defaults are DRBD's.</summary>
public sealed record ResourceSettings
{
    /// <summary>The resource's name.</summary>
    public required string Name { get; init; }

    /// <summary>This node's name.</summary>
    public required string NodeName { get; init; }

    /// <summary>Volume names; a volume's <see cref="VolumeNr"/> is its index here.</summary>
    public required ImmutableArray<string> Volumes { get; init; }

    /// <summary>Names of the peer nodes; a <see cref="PeerId"/> is an index here.</summary>
    public required ImmutableArray<string> Peers { get; init; }

    /// <summary>The newest protocol version to offer to peers (G15): lower than the build's own only to stand in for an older build.</summary>
    public ProtocolVersion NewestProtocol { get; init; } = ProtocolVersion.Newest;

    /// <summary>When a write counts as done.</summary>
    public WriteProtocol Protocol { get; init; } = WriteProtocol.C;

    /// <summary>What a lost peer means.</summary>
    public FencingPolicy Fencing { get; init; } = FencingPolicy.DontCare;

    /// <summary>What an operator has decided in advance about split brains (DRBD: <c>after-sb-0pri</c> and so on; nothing).</summary>
    public SplitBrainPolicies SplitBrain { get; init; } = SplitBrainPolicies.Default;

    /// <summary>What happens when a Primary would have to be overwritten (DRBD: <c>rr-conflict</c>, disconnect).</summary>
    public RoleConflictPolicy RoleConflict { get; init; } = RoleConflictPolicy.Disconnect;

    /// <summary>The handlers that the edge has programs for.</summary>
    public HandlerSet Handlers { get; init; }

    /// <summary>What an error of the local disk means.</summary>
    public IoErrorPolicy OnIoError { get; init; } = IoErrorPolicy.Detach;

    /// <summary>What becomes of requests that nobody can serve.</summary>
    public NoDataPolicy OnNoDataAccessible { get; init; } = NoDataPolicy.IoError;

    /// <summary>A local disk that finishes nothing for so long is given up as if it had failed (DRBD: <c>disk-timeout</c>; 0 never).</summary>
    public long DiskTimeoutMs { get; init; }

    /// <summary>Silence of the peer that ends the connection while something waits for it (DRBD: <c>timeout</c>, 6 s).</summary>
    public long TimeoutMs { get; init; } = 6_000;

    /// <summary>A peer that lives but finishes nothing for this many time-outs is cut off (DRBD: <c>ko-count</c>, 7; 0 never).</summary>
    public int KoCount { get; init; } = 7;

    /// <summary>How long an idle connection may be silent before the peer is doubted (DRBD: <c>ping-int</c>, 10 s).</summary>
    public long PingIntervalMs { get; init; } = 10_000;

    /// <summary>Grace after <see cref="PingIntervalMs"/> (DRBD: <c>ping-timeout</c>, 0.5 s).</summary>
    public long PingTimeoutMs { get; init; } = 500;

    /// <summary>How long a handshake may take (DRBD: <c>connect-int</c>, 10 s).</summary>
    public long ConnectIntervalMs { get; init; } = 10_000;

    /// <summary>
    /// Writes not known to be stable on the peer after which the Primary sends a barrier of its own: bounds the memory that remembers them and the marks that
    /// a lost connection makes. DRBD's epochs have 2048; here a barrier costs a write-back of the page cache, so it is rarer (docs/decisions/0003).
    /// </summary>
    public int EpochWritesMax { get; init; } = 65_536;

    /// <summary>Age of the oldest write not known to be stable that makes the Primary send a barrier of its own.</summary>
    public long EpochAgeMaxMs { get; init; } = 30_000;

    /// <summary>
    /// How much of the application's speed a resync may cost, in per cent: 1 to 100; with 100 a resync goes as fast as it can (<c>resync-impact</c>).
    /// </summary>
    public int ResyncImpactPercent { get; init; } = 30;

    /// <summary>When blocks are compared by checksum before a resync sends them.</summary>
    public ResyncChecksums ResyncChecksums { get; init; } = ResyncChecksums.AfterCrash;

    /// <summary>
    /// Extents that the activity log may hold hot (DRBD: <c>al-extents</c>). The metadata has a number of places of its own, which this cannot exceed.
    /// </summary>
    public int ActivityLogExtentsMax { get; init; } = int.MaxValue;

    /// <summary>Bytes of resync data that may be on the way and not yet on the target's stable storage.</summary>
    public long ResyncWindowBytes { get; init; } = 64L << 20;
}
