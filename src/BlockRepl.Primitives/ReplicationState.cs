namespace BlockRepl.Primitives;

/// <summary>What happens on one volume over one connection, in DRBD's words.</summary>
public enum ReplicationState : byte
{
    /// <summary>Not replicating: no connection, or one side has no disk.</summary>
    Off = 0,

    /// <summary>Every write is mirrored; nothing else is going on.</summary>
    Established = 1,

    /// <summary>Bitmaps are being exchanged; this node will be the source.</summary>
    WFBitMapS = 2,

    /// <summary>Bitmaps are being exchanged; this node will be the target.</summary>
    WFBitMapT = 3,

    /// <summary>A resync runs; this node is the source.</summary>
    SyncSource = 4,

    /// <summary>A resync runs; this node is the target.</summary>
    SyncTarget = 5,

    /// <summary>A resync is paused; this node is the source.</summary>
    PausedSyncS = 6,

    /// <summary>A resync is paused; this node is the target.</summary>
    PausedSyncT = 7,

    /// <summary>An online verify runs; this node leads it.</summary>
    VerifyS = 8,

    /// <summary>An online verify runs; the peer leads it.</summary>
    VerifyT = 9,

    /// <summary>The peer was let fall behind; its misses are being marked.</summary>
    Ahead = 10,

    /// <summary>This node was let fall behind by a congested Primary.</summary>
    Behind = 11,
}
