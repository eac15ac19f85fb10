namespace BlockRepl.Primitives;

/// <summary>When a write counts as done, in DRBD's letters (research: UG9 "Replication modes").</summary>
public enum WriteProtocol : byte
{
    /// <summary>Done when the local disk has it and it is queued for the peer.</summary>
    A = 1,

    /// <summary>Done when the local disk has it and the peer has received it.</summary>
    B = 2,

    /// <summary>Done when both disks have it.</summary>
    C = 3,
}
