using System.Net;

namespace BlockRepl.Rpc;

/// <summary>How a <see cref="PeerServer"/> listens. Immutable.</summary>
public sealed record PeerServerOptions
{
    /// <summary>This node's own address; port 0 takes any free one.</summary>
    public required IPEndPoint Endpoint { get; init; }

    /// <summary>This node's certificate; null for clear text.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>Whether a node may connect, by the name that its certificate proves; null lets every node of the CA in.</summary>
    public Func<string, bool>? IsPeerAllowed { get; init; }

    /// <summary>Connections at once; each may hold a window and a message.</summary>
    public int ConnectionsMax { get; init; } = 32;

    /// <summary>How long a connection may take for TLS and for its first request's headers.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);
}
