namespace BlockRepl.Primitives;

/// <summary>
/// State of a volume's disk on one node, in DRBD's words and DRBD's order: a greater value is better data.
/// Values go over the wire and to disk and never change.
/// </summary>
public enum DiskState : byte
{
    /// <summary>No local disk is attached.</summary>
    Diskless = 0,

    /// <summary>Metadata is being read.</summary>
    Attaching = 1,

    /// <summary>An I/O error was seen; the disk is about to be detached.</summary>
    Failed = 2,

    /// <summary>Attached while connected; waits for the peer's state before it takes part.</summary>
    Negotiating = 3,

    /// <summary>Not usable: no sync has completed, or one is running with this node as target.</summary>
    Inconsistent = 4,

    /// <summary>Consistent, but known to be older than the peer's data.</summary>
    Outdated = 5,

    /// <summary>Of a peer only: not known, because the peer is not connected.</summary>
    DUnknown = 6,

    /// <summary>Consistent; whether it is the newest data is known only after a connection or a fence.</summary>
    Consistent = 7,

    /// <summary>Consistent and the newest data.</summary>
    UpToDate = 8,
}
