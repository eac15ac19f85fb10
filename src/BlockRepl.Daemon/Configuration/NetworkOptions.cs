namespace BlockRepl.Daemon.Configuration;

/// <summary>Time-outs and limits of a resource's connection; names, defaults and ranges are drbd.conf's.</summary>
public sealed record NetworkOptions
{
    /// <summary>The defaults.</summary>
    public static NetworkOptions Default { get; } = new();

    /// <summary><c>timeout</c>: an answer that takes longer counts against <see cref="KoCount"/>. 100 ms to 60 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(6);

    /// <summary><c>ping-int</c>: silence after which the peer is pinged. 1 s to 120 s.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary><c>ping-timeout</c>: how long a ping may go unanswered. 100 ms to 30 s.</summary>
    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary><c>connect-int</c>: pause between two attempts to connect. 1 s to 120 s.</summary>
    public TimeSpan ConnectInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary><c>ko-count</c>: a peer that makes no progress for this many time-outs is cut off; 0 is never. 0 to 200.</summary>
    public int KoCount { get; init; } = 7;

    /// <summary><c>on-congestion</c>: what to do when too much is on the way to the peer; pull-ahead only with protocol A.</summary>
    public Core.CongestionPolicy OnCongestion { get; init; } = Core.CongestionPolicy.Block;

    /// <summary><c>congestion-fill</c>: bytes on the way that are too much; 0 is never. 0 to 10 GiB.</summary>
    public long CongestionFillBytes { get; init; }

    /// <summary><c>congestion-extents</c>: extents that wait for the peer and are too many. 67 to 65534.</summary>
    public int CongestionExtents { get; init; } = 1237;

    /// <summary><c>max-epoch-size</c>: writes that may be unstable on the peer before this node sends a barrier of its own (hard part 1; docs/decisions/0003). 1 to 1048576.</summary>
    public int MaxEpochSize { get; init; } = 65536;
}
