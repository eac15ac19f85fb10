namespace BlockRepl.Rpc;

/// <summary>
/// One established bidirectional gRPC stream to a peer node, whichever side dialled. Messages are whole gRPC messages
/// (without the five-byte prefix); what they mean is not known here.
/// </summary>
public interface IPeerChannel
{
    /// <summary>Node name proved by the peer's certificate; null with <c>tls: off</c>.</summary>
    string? AuthenticatedPeer { get; }

    /// <summary>Whether this node dialled.</summary>
    bool IsDialer { get; }

    /// <summary>The peer's address, for logs.</summary>
    string RemoteAddress { get; }

    /// <summary>
    /// Bytes accepted by <see cref="Send"/> that the kernel has not taken yet. Callers stop sending bulk data above a limit of
    /// their own (G12) and go on when <see cref="IPeerChannelHandler.OnDrained"/> comes.
    /// </summary>
    long QueuedBytes { get; }

    /// <summary>
    /// Whether more has come behind the message that <see cref="IPeerChannelHandler.OnMessage"/> has: who would wait for something then keeps it waiting. A system call; for that thread only.
    /// </summary>
    bool HasMore { get; }

    /// <summary>
    /// What the link carries at full load, in bytes a second, as the kernel last saw it; 0 if it has not seen it at full load for a minute. A system call: not for every small message.
    /// </summary>
    long MeasureLink();

    /// <summary>Monotonic milliseconds (<see cref="Environment.TickCount64"/>) when the last bytes came in.</summary>
    long LastReceivedMs { get; }

    /// <summary>
    /// Queues one message (the concatenation of <paramref name="head"/> and <paramref name="payload"/>) behind all earlier
    /// ones and sends as much as goes without blocking. Never blocks on the network; thread-safe. Copies the head; takes one
    /// reference on each payload buffer and releases it when its bytes are gone. On a closed channel it does nothing.
    /// </summary>
    void Send(ReadOnlySpan<byte> head, ReadOnlySpan<PayloadSegment> payload);

    /// <summary>
    /// Ends the stream; the first reason is kept and reported. Does not block; <see cref="IPeerChannelHandler.OnClosed"/>
    /// comes exactly once, after the last <see cref="IPeerChannelHandler.OnMessage"/>.
    /// </summary>
    void Close(ChannelCloseReason reason, string detail);
}
