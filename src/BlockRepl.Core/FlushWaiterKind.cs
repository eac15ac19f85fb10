namespace BlockRepl.Core;

/// <summary>Who waits for a local flush.</summary>
internal enum FlushWaiterKind : byte
{
    /// <summary>A client's FLUSH, or a barrier of the Primary's own.</summary>
    Client,

    /// <summary>A barrier in the Primary's stream, on the Secondary.</summary>
    PeerBarrier,

    /// <summary>A resync checkpoint on its source.</summary>
    SourceCheckpoint,

    /// <summary>A resync checkpoint on its target.</summary>
    TargetCheckpoint,

    /// <summary>A step of a role change or a shutdown.</summary>
    Action,
}
