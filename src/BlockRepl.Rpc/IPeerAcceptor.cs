namespace BlockRepl.Rpc;

/// <summary>Receives the streams that peers open. Thread-safe.</summary>
public interface IPeerAcceptor
{
    /// <summary>
    /// A peer opened a stream. Whatever it says about itself is not known yet; its node name is proved if TLS is on. The
    /// returned handler gets everything that follows. To refuse, close the channel.
    /// </summary>
    IPeerChannelHandler OnAccepted(IPeerChannel channel);

    /// <summary>A connection was refused before it became a channel; for the log. Not called more often than connections come.</summary>
    void OnRefused(string remoteAddress, string why);
}
