namespace BlockRepl.Daemon.Control;

/// <summary>What a command asks of the daemon. Named as on the command line, without the hyphens.</summary>
public enum ControlVerb
{
    /// <summary>Attach the disks, open the exports, connect.</summary>
    Up,

    /// <summary>The opposite of <see cref="Up"/>.</summary>
    Down,

    /// <summary>Attach a volume's disk.</summary>
    Attach,

    /// <summary>Detach a volume's disk.</summary>
    Detach,

    /// <summary>Connect to the peer.</summary>
    Connect,

    /// <summary>End the connection and stay StandAlone.</summary>
    Disconnect,

    /// <summary>Apply a changed configuration file.</summary>
    Adjust,

    /// <summary>Become Primary.</summary>
    Primary,

    /// <summary>Become Secondary.</summary>
    Secondary,

    /// <summary>Mark the local data Outdated.</summary>
    Outdate,

    /// <summary>Throw the local data away and sync it from the peer.</summary>
    Invalidate,

    /// <summary>Throw the peer's data away and sync it from here.</summary>
    InvalidateRemote,

    /// <summary>Begin a new data generation.</summary>
    NewCurrentUuid,

    /// <summary>Compare the data with the peer's.</summary>
    Verify,

    /// <summary>Pause a running resync.</summary>
    PauseSync,

    /// <summary>Let a paused resync go on.</summary>
    ResumeSync,

    /// <summary>Take up a disk's new size.</summary>
    Resize,

    /// <summary>Hold client I/O.</summary>
    SuspendIo,

    /// <summary>Let client I/O go on.</summary>
    ResumeIo,

    /// <summary>Keep a sentence beside the status for whoever looks next.</summary>
    Note,

    /// <summary>Explain the generation ids.</summary>
    ShowGi,

    /// <summary>Print the generation ids.</summary>
    GetGi,

    /// <summary>Make a volume a block device of this host.</summary>
    DeviceAttach,

    /// <summary>The opposite of <see cref="DeviceAttach"/>.</summary>
    DeviceDetach,
}
