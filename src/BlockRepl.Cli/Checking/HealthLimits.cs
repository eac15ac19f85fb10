namespace BlockRepl.Cli.Checking;

/// <summary>From when on something counts as bad. The defaults are those of docs/cli.md.</summary>
public sealed record HealthLimits
{
    /// <summary>A peer that is away for this long is critical; until then it is a warning.</summary>
    public TimeSpan DisconnectedCritical { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Bytes out of sync with a connected peer that are a warning.</summary>
    public long OutOfSyncWarningBytes { get; init; } = 1;

    /// <summary>Bytes out of sync, with a connected peer or not, that are critical; null is never.</summary>
    public long? OutOfSyncCriticalBytes { get; init; }

    /// <summary>A volume that has not been in sync for this long is critical, whatever the reason; null is never.</summary>
    public TimeSpan? ResyncAgeCritical { get; init; }

    /// <summary>A last complete verify that is older than this is a warning; null is never.</summary>
    public TimeSpan? VerifyAgeWarning { get; init; }

    /// <summary>I/O that is held for this long is critical even where it is held for a moment every now and then.</summary>
    public TimeSpan SuspendedCritical { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A resource whose lost peer nobody fences is a warning.</summary>
    public bool RequiresFencing { get; init; }

    /// <summary>A resource that is Primary nowhere, as far as this node knows, is critical.</summary>
    public bool RequiresPrimary { get; init; }
}
