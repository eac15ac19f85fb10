using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Configuration;

/// <summary>One resource: volumes that share a role, an order and a connection to each peer.</summary>
public sealed record ResourceConfiguration
{
    /// <summary>Name, unique in the cluster.</summary>
    public required string Name { get; init; }

    /// <summary><c>protocol</c>: when a write counts as done. Default C.</summary>
    public WriteProtocol Protocol { get; init; } = WriteProtocol.C;

    /// <summary><c>compression</c>. Default auto.</summary>
    public CompressionPolicy Compression { get; init; } = CompressionPolicy.Auto;

    /// <summary><c>fencing</c>. Default dont-care.</summary>
    public FencingPolicy Fencing { get; init; } = FencingPolicy.DontCare;

    /// <summary><c>handlers</c>. Default none.</summary>
    public HandlerConfiguration Handlers { get; init; } = HandlerConfiguration.None;

    /// <summary><c>handler-timeout</c>: how long a handler may take before it is killed and counts as broken. 1 s to 1 h, default 60 s.</summary>
    public TimeSpan HandlerTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary><c>on-io-error</c>: what an error of the local disk means. Default detach.</summary>
    public IoErrorPolicy OnIoError { get; init; } = IoErrorPolicy.Detach;

    /// <summary><c>disk-timeout</c>: how long a call into the local disk may take before the disk is given up. Default zero: for ever.</summary>
    public TimeSpan DiskTimeout { get; init; }

    /// <summary><c>on-no-data-accessible</c>: what becomes of requests that nobody can serve. Default io-error.</summary>
    public NoDataPolicy OnNoDataAccessible { get; init; } = NoDataPolicy.IoError;

    /// <summary>Time-outs and limits of the connection.</summary>
    public NetworkOptions Network { get; init; } = NetworkOptions.Default;

    /// <summary>How resyncs run.</summary>
    public ResyncOptions Resync { get; init; } = ResyncOptions.Default;

    /// <summary>What to do about diverged nodes.</summary>
    public SplitBrainOptions SplitBrain { get; init; } = SplitBrainOptions.Default;

    /// <summary><c>al-extents</c>: 4 MiB extents that the activity log holds hot. 67 to 65534, default 1237.</summary>
    public int ActivityLogExtents { get; init; } = 1237;

    /// <summary>The settings as the file says them, by key (<c>handlers.fence-peer</c>), without the volumes: what <c>adjust</c> shows of a change.</summary>
    public IReadOnlyDictionary<string, string> Written { get; init; } = new Dictionary<string, string>();

    /// <summary>The volumes in the order of the file; never empty.</summary>
    public required IReadOnlyList<VolumeConfiguration> Volumes { get; init; }
}
