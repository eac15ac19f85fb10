namespace BlockRepl.Rpc.Http2;

/// <summary>Numbers of HTTP/2 that both halves use. Windows are large because one stream carries everything.</summary>
internal static class Http2Settings
{
    /// <summary>What every side starts with (RFC 9113 section 6.9.2).</summary>
    public const int DefaultWindow = 65535;

    /// <summary>Largest window (RFC 9113 section 6.9.1).</summary>
    public const long WindowMax = int.MaxValue;

    /// <summary>Bytes of a stream that may be on the way to us.</summary>
    public const int StreamWindow = 16 << 20;

    /// <summary>Bytes of a connection that may be on the way to us.</summary>
    public const int ConnectionWindow = 32 << 20;

    /// <summary>Consumed bytes that are granted anew in one WINDOW_UPDATE.</summary>
    public const int WindowUpdateStep = StreamWindow / 4;

    /// <summary>Largest DATA frame that we accept and send.</summary>
    public const int FrameBytesMax = 1 << 20;

    /// <summary>Smallest MAX_FRAME_SIZE that a peer may announce.</summary>
    public const int FrameBytesMin = 16384;

    /// <summary>Largest frame other than DATA that we accept.</summary>
    public const int ControlFrameBytesMax = 32 << 10;

    /// <summary>Header bytes of one block, continuations included.</summary>
    public const int HeaderBlockBytesMax = 32 << 10;

    /// <summary>Control frames that may wait behind a full socket before the peer counts as hostile.</summary>
    public const int ControlFramesMax = 1024;

    /// <summary>Bytes of the header table that every side starts with (RFC 9113 section 6.5.2).</summary>
    public const int DefaultHeaderTable = 4096;

    public const ushort HeaderTableSize = 1;
    public const ushort EnablePush = 2;
    public const ushort MaxConcurrentStreams = 3;
    public const ushort InitialWindowSize = 4;
    public const ushort MaxFrameSize = 5;
    public const ushort MaxHeaderListSize = 6;

    /// <summary>What a client sends before its first frame (RFC 9113 section 3.4).</summary>
    public static ReadOnlySpan<byte> ClientPreface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <summary>Name of an error code (RFC 9113 section 7).</summary>
    public static string ErrorName(uint code) => code switch
    {
        0 => "NO_ERROR",
        1 => "PROTOCOL_ERROR",
        2 => "INTERNAL_ERROR",
        3 => "FLOW_CONTROL_ERROR",
        4 => "SETTINGS_TIMEOUT",
        5 => "STREAM_CLOSED",
        6 => "FRAME_SIZE_ERROR",
        7 => "REFUSED_STREAM",
        8 => "CANCEL",
        9 => "COMPRESSION_ERROR",
        10 => "CONNECT_ERROR",
        11 => "ENHANCE_YOUR_CALM",
        12 => "INADEQUATE_SECURITY",
        13 => "HTTP_1_1_REQUIRED",
        _ => $"error {code}",
    };
}
