namespace BlockRepl.Daemon.Configuration;

/// <summary>How a resource's resyncs run.</summary>
public sealed record ResyncOptions
{
    /// <summary>The defaults.</summary>
    public static ResyncOptions Default { get; } = new();

    /// <summary><c>resync-impact</c>: per cent of the application's speed that a resync may cost; 100 is as fast as it can. 1 to 100, default 30.</summary>
    public int ImpactPercent { get; init; } = 30;

    /// <summary><c>csums-alg</c>: compare blocks by SHA-256 before they are sent. Default on.</summary>
    public bool ComparesChecksums { get; init; } = true;

    /// <summary><c>csums-after-crash-only</c>: only in resyncs after the crash of a Primary, whose marks name whole extents. Default yes.</summary>
    public bool ChecksumsAfterCrashOnly { get; init; } = true;
}
