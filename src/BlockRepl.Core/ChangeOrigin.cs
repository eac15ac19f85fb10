namespace BlockRepl.Core;

/// <summary>Who asked for a change.</summary>
public enum ChangeOrigin : byte
{
    /// <summary>An NBD client of this Primary.</summary>
    Client,

    /// <summary>The Primary's stream, on a Secondary.</summary>
    Peer,

    /// <summary>A resync's reader on the source: excludes overlapping writes while it reads and until its data is in the stream (I4).</summary>
    ResyncRead,

    /// <summary>A resync's data on the target.</summary>
    ResyncWrite,

    /// <summary>A resync's comparison on the target: reads a range at its place in stream order, so it excludes overlapping changes.</summary>
    ResyncCompare,

    /// <summary>A comparison's reader, on both sides: as a resync's.</summary>
    VerifyRead,

    /// <summary>A Primary without a disk of its own reads here: waits for the changes that it has to see.</summary>
    PeerRead,
}
