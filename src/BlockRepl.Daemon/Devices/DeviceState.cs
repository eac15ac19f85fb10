namespace BlockRepl.Daemon.Devices;

/// <summary>What an attached device does with I/O.</summary>
public enum DeviceState
{
    /// <summary>It is served.</summary>
    Connected,

    /// <summary>Nobody serves it now: the kernel holds its I/O until somebody does, or the hold time is over.</summary>
    Held,

    /// <summary>Its I/O fails; only to detach it is left.</summary>
    Broken,
}
