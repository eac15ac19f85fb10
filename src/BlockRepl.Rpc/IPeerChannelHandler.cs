using BlockRepl.Primitives;

namespace BlockRepl.Rpc;

/// <summary>Receives what happens on a channel. Calls for one channel never overlap, except <see cref="OnDrained"/>.</summary>
public interface IPeerChannelHandler
{
    /// <summary>
    /// One whole message: the first <see cref="BlockBuffer.Length"/> bytes. The callee owns one reference and may keep the buffer. It runs
    /// on the channel's receiver and may block on a disk; while it does, nothing more is received (that is the back-pressure).
    /// </summary>
    void OnMessage(IPeerChannel channel, BlockBuffer message);

    /// <summary><see cref="IPeerChannel.QueuedBytes"/> fell to zero after having been above zero.</summary>
    void OnDrained(IPeerChannel channel);

    /// <summary>The channel is over; nothing follows.</summary>
    void OnClosed(IPeerChannel channel, ChannelCloseReason reason, string detail);
}
