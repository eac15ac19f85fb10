namespace BlockRepl.Core;

/// <summary>What an operator can ask of a resource.</summary>
public enum OperatorVerb : byte
{
    /// <summary>Become Primary.</summary>
    Primary,

    /// <summary>Become Secondary.</summary>
    Secondary,

    /// <summary>Connect to the peer.</summary>
    Connect,

    /// <summary>Disconnect from the peer.</summary>
    Disconnect,

    /// <summary>Stop everything in good order; the disks are released.</summary>
    Down,

    /// <summary>Declare the connected, fresh disks equal (<c>new-current-uuid --clear-bitmap</c>).</summary>
    SkipInitialSync,

    /// <summary>Declare this node's data Outdated.</summary>
    Outdate,

    /// <summary>Hold clients' changes until <see cref="ResumeIo"/>, once everything answered is stable on both nodes.</summary>
    SuspendIo,

    /// <summary>Let clients' changes go on, whatever holds them: <see cref="SuspendIo"/>, or a fence that failed.</summary>
    ResumeIo,

    /// <summary>Compare with the peer, online.</summary>
    Verify,

    /// <summary>Throw this node's data away: a full resync with it as the target.</summary>
    Invalidate,

    /// <summary>Overwrite the peer's data with this node's.</summary>
    InvalidateRemote,

    /// <summary>Let no resync run until <see cref="ResumeSync"/>.</summary>
    PauseSync,

    /// <summary>End this node's pause.</summary>
    ResumeSync,

    /// <summary>Stop using a volume's local disk.</summary>
    Detach,

    /// <summary>End the connection, if there is one, and connect anew at once: the facts have changed.</summary>
    Reconnect,

    /// <summary>Take a volume out of the resource, which stays up.</summary>
    RemoveVolume,

    /// <summary>Let a volume grow to what the disks hold now.</summary>
    Resize,
}
