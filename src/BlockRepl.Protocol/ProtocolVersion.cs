namespace BlockRepl.Protocol;

/// <summary>Versions of the peer protocol. Both sides send the range that they speak; the highest common one is used.</summary>
public enum ProtocolVersion : uint
{
    /// <summary>The first.</summary>
    V1 = 1,

    /// <summary>The oldest that this build speaks.</summary>
    Oldest = V1,

    /// <summary>The newest that this build speaks.</summary>
    Newest = V1,
}
