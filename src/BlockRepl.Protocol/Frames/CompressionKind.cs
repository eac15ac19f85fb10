namespace BlockRepl.Protocol;

/// <summary>How a frame's data is compressed. Values go over the wire.</summary>
public enum CompressionKind : byte
{
    /// <summary>Not at all.</summary>
    None = 0,

    /// <summary>One LZ4 block (no LZ4 frame around it).</summary>
    Lz4 = 1,
}
