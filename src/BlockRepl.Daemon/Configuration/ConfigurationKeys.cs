namespace BlockRepl.Daemon.Configuration;

/// <summary>The keys of each mapping of the file. The reader accepts these and no others, and a test holds
/// <c>docs/blockrepl.schema.json</c> to them.</summary>
public static class ConfigurationKeys
{
    /// <summary>Keys of the file's top level.</summary>
    public static IReadOnlyList<string> Root { get; } = ["nodes", "tls", "nbd", "metrics", "resources"];

    /// <summary>Keys of a node.</summary>
    public static IReadOnlyList<string> Node { get; } = ["address"];

    /// <summary>Keys of <c>tls</c>, where it is not <c>off</c>.</summary>
    public static IReadOnlyList<string> Tls { get; } = ["ca", "cert", "key"];

    /// <summary>Keys of <c>nbd</c>.</summary>
    public static IReadOnlyList<string> Nbd { get; } = ["listen", "tls"];

    /// <summary>Keys of <c>metrics</c>, where it is neither <c>on</c> nor <c>off</c>.</summary>
    public static IReadOnlyList<string> Metrics { get; } = ["listen"];

    /// <summary>Keys of a resource.</summary>
    public static IReadOnlyList<string> Resource { get; } =
    [
        "protocol", "compression", "fencing", "handlers", "handler-timeout", "timeout", "ping-int", "ping-timeout", "connect-int", "ko-count",
        "on-congestion", "congestion-fill", "congestion-extents",
        "max-epoch-size", "resync-impact", "csums-alg", "csums-after-crash-only", "after-sb-0pri", "after-sb-1pri", "after-sb-2pri", "always-asbp",
        "rr-conflict", "split-brain-save", "save-dir", "al-extents", "on-io-error", "disk-timeout", "on-no-data-accessible", "volumes",
    ];

    /// <summary>Keys of <c>handlers</c>.</summary>
    public static IReadOnlyList<string> Handlers { get; } = Core.HandlerNames.All;

    /// <summary>Keys of a volume.</summary>
    public static IReadOnlyList<string> Volume { get; } = ["disk", "io", "size", "meta-disk", "resync-after"];
}
