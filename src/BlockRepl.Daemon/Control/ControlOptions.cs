using BlockRepl.Daemon.Devices;

namespace BlockRepl.Daemon.Control;

/// <summary>Options of a command. A verb ignores none: the command line offers each verb only its own.</summary>
public sealed record ControlOptions
{
    /// <summary>No option.</summary>
    public static ControlOptions None { get; } = new();

    /// <summary><c>--force</c>.</summary>
    public bool Force { get; init; }

    /// <summary><c>connect --discard-my-data</c>: this node is the victim of a split brain.</summary>
    public bool DiscardMyData { get; init; }

    /// <summary><c>new-current-uuid --clear-bitmap</c>: the disks are known to be equal.</summary>
    public bool ClearBitmap { get; init; }

    /// <summary><c>verify --repair</c>.</summary>
    public bool Repair { get; init; }

    /// <summary><c>verify --repair=NODE</c>: the node whose data counts; null: the evidence decides.</summary>
    public string? RepairFrom { get; init; }

    /// <summary><c>verify --start</c>, in bytes; null: where the last one was stopped, or the beginning.</summary>
    public long? StartBytes { get; init; }

    /// <summary><c>verify --stop</c>, in bytes; null: the end.</summary>
    public long? StopBytes { get; init; }

    /// <summary><c>resize --size</c>: bytes to serve; 0 is all that the disks hold.</summary>
    public long SizeBytes { get; init; }

    /// <summary><c>resize --assume-clean</c>: what is new is the same on both nodes.</summary>
    public bool AssumeClean { get; init; }

    /// <summary><c>adjust --dry-run</c>: say what would be done.</summary>
    public bool DryRun { get; init; }

    /// <summary>How long <c>device attach</c> lets a request wait for a daemon, if nothing is said.</summary>
    public static TimeSpan HoldDefault { get; } = TimeSpan.FromMinutes(10);

    /// <summary><c>device attach /dev/nbdN</c>; null: the kernel chooses.</summary>
    public string? DevicePath { get; init; }

    /// <summary><c>device attach --via</c>.</summary>
    public DeviceVia Via { get; init; }

    /// <summary><c>device attach --hold</c>; null is the default.</summary>
    public TimeSpan? Hold { get; init; }

    /// <summary><c>note --text</c>: the sentence; null takes it away.</summary>
    public string? Text { get; init; }
}
