namespace BlockRepl.Rpc;

/// <summary>What the configuration says about compression.</summary>
public enum CompressionMode
{
    /// <summary>Never.</summary>
    Off,

    /// <summary>Always try; data that do not shrink are sent as they are.</summary>
    Lz4,

    /// <summary>Sample first, and leave off while the data do not shrink.</summary>
    Auto,
}
