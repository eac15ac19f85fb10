namespace BlockRepl.Rpc;

/// <summary>Why a channel ended.</summary>
public enum ChannelCloseReason
{
    /// <summary>This node closed it.</summary>
    Local,

    /// <summary>The peer ended the stream in good order.</summary>
    PeerClosed,

    /// <summary>The connection broke (reset, timed out, host gone).</summary>
    NetworkFailure,

    /// <summary>The peer broke HTTP/2, gRPC framing or a limit.</summary>
    ProtocolError,

    /// <summary>The peer was silent for too long.</summary>
    Timeout,
}
