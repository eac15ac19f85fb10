namespace BlockRepl.Core;

/// <summary>In which resyncs blocks are compared by checksum before they are sent (DRBD: <c>csums-alg</c>, <c>csums-after-crash-only</c>).</summary>
public enum ResyncChecksums : byte
{
    /// <summary>In none.</summary>
    Never,

    /// <summary>In those that follow the crash of a Primary: their marks name whole extents of which little differs.</summary>
    AfterCrash,

    /// <summary>In all.</summary>
    Always,
}
