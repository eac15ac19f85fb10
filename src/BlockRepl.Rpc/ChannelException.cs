namespace BlockRepl.Rpc;

/// <summary>
/// A connection cannot go on, or could not be made. Inside this project it travels from where bytes are read to the
/// channel's receiver, which turns it into <see cref="IPeerChannelHandler.OnClosed"/>; outside, only
/// <see cref="PeerDialer"/> throws it.
/// </summary>
public sealed class ChannelException(ChannelCloseReason reason, string message) : Exception(message)
{
    /// <summary>The kind of failure.</summary>
    public ChannelCloseReason Reason { get; } = reason;
}
