namespace BlockRepl.Protocol;

/// <summary>How a frame broke the protocol. Each ends the connection (ProtocolError).</summary>
public enum FrameErrorCode : byte
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>The frame ends inside a field.</summary>
    Truncated,

    /// <summary>Not protobuf: a bad tag, wire type or number.</summary>
    Malformed,

    /// <summary>A known field with a value that it may not have.</summary>
    BadValue,

    /// <summary>A length or a count above its limit (<see cref="ProtocolLimits"/>).</summary>
    LimitExceeded,

    /// <summary>The checksum does not fit the bytes (G10).</summary>
    BadChecksum,

    /// <summary>A body that this version must understand and does not.</summary>
    UnsupportedKind,

    /// <summary>A frame of another kind than the one asked for.</summary>
    WrongKind,
}
