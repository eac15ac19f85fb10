namespace BlockRepl.Core;

/// <summary>What a client's change waits for before it is answered; empty means that the answer goes out.</summary>
[Flags]
internal enum ChangeWaits : byte
{
    None = 0,

    /// <summary>The local disk has not reported yet.</summary>
    Local = 1,

    /// <summary>A peer has not acknowledged yet.</summary>
    Peer = 2,

    /// <summary>A new generation is not durable yet (I9), or marks for a lost peer are not.</summary>
    Generation = 4,

    /// <summary>A lost peer that does not have the change might go on by itself (G13).</summary>
    Fence = 8,
}
