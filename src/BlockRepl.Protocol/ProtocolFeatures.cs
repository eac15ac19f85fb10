namespace BlockRepl.Protocol;

/// <summary>Feature bits of a Hello. A feature is in use when both sides named it; unknown bits are ignored.</summary>
[Flags]
public enum ProtocolFeatures : ulong
{
    /// <summary>Nothing beyond the version.</summary>
    None = 0,

    /// <summary>The sender can decompress LZ4 blocks.</summary>
    Lz4 = 1,
}
