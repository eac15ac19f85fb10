namespace BlockRepl.Protocol;

/// <summary>What a change does. Values go over the wire.</summary>
public enum ChangeKind : byte
{
    /// <summary>Bytes are replaced; the payload is in the frame's data.</summary>
    Write = 0,

    /// <summary>The content is given up.</summary>
    Trim = 1,

    /// <summary>The range reads as zeroes from now on.</summary>
    Zeroes = 2,

    /// <summary>A barrier: everything earlier on the volume becomes stable. No range.</summary>
    Flush = 3,
}
