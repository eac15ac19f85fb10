namespace BlockRepl.Protocol;

/// <summary>Versions of the peer protocol. Both sides send the range that they speak; the highest common one is used.</summary>
public enum ProtocolVersion : uint
{
    /// <summary>The first: changes, resync by bitmap, roles.</summary>
    V1 = 1,

    /// <summary>Everything that docs/peer-protocol.md names under "Version 2". Nothing of it is ever sent to a peer that speaks version 1.</summary>
    V2 = 2,

    /// <summary>The oldest that this build speaks.</summary>
    Oldest = V1,

    /// <summary>The newest that this build speaks.</summary>
    Newest = V2,
}
