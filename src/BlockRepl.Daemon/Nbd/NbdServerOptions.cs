namespace BlockRepl.Daemon.Nbd;

/// <summary>Limits and time-outs of the NBD server (G12). The defaults are what BlockRepl ships.</summary>
public sealed record NbdServerOptions
{
    /// <summary>Connections at once over all listeners; one more is hung up at once. The host's own kernel does not count.</summary>
    public int ConnectionsMax { get; init; } = 128;

    /// <summary>The whole handshake must be over by then.</summary>
    public TimeSpan NegotiationTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a client may stop in the middle of a request, or not read a byte of the replies that wait for it, before it
    /// is hung up. Idle between requests is fine for ever. <see cref="Timeout.InfiniteTimeSpan"/> waits for ever.
    /// </summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Requests of one connection from receive to the last byte of the reply.</summary>
    public int InFlightRequestsMax { get; init; } = 256;

    /// <summary>Bytes of data of those requests; a single larger request is let through alone.</summary>
    public long InFlightBytesMax { get; init; } = 64L << 20;

    /// <summary>How long <see cref="NbdServer.Stop"/> waits for requests that exports have not completed.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Called on the connection's thread with what escaped an export: a bug. The daemon logs it and ends the process. Null: the exception
    /// goes unhandled, which ends it too.
    /// </summary>
    public Action<Exception>? OnBug { get; init; }
}
