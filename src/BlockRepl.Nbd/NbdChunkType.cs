namespace BlockRepl.Nbd;

/// <summary>Chunks of structured replies (proto.md "Structured reply types") that BlockRepl sends.</summary>
public enum NbdChunkType : ushort
{
    /// <summary>Nothing; ends a reply.</summary>
    None = 0,

    /// <summary>Data of a read, with its offset.</summary>
    OffsetData = 1,

    /// <summary>Extents of one metadata context.</summary>
    BlockStatus = 5,

    /// <summary>The request failed.</summary>
    Error = 1 << 15 | 1,
}
