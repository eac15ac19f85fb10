namespace BlockRepl.Daemon.Devices;

/// <summary>An attached device as <c>device list --json</c> prints it. Immutable.</summary>
public sealed record DeviceStatus
{
    /// <summary>RESOURCE/VOLUME.</summary>
    public required string Volume { get; init; }

    /// <summary>Its path.</summary>
    public required string Device { get; init; }

    /// <summary>How it is attached.</summary>
    public required DeviceVia Via { get; init; }

    /// <summary>What it does with I/O.</summary>
    public required DeviceState State { get; init; }

    /// <summary>Whole seconds since <see cref="State"/> last changed.</summary>
    public required long SinceSeconds { get; init; }

    /// <summary>Why it is not Connected, in words; null when it is.</summary>
    public string? Detail { get; init; }

    /// <summary>How long a request is held before it fails; 0: not at all.</summary>
    public required long HoldSeconds { get; init; }

    /// <summary>Who uses it, a phrase each.</summary>
    public IReadOnlyList<string> Users { get; init; } = [];
}
