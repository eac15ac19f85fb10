using System.Net;
using System.Net.Sockets;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Replication;

/// <summary>Where this node listens for its peers; moves when the configuration does. One caller at a time.</summary>
internal sealed class PeerListener(IPeerAcceptor acceptor, string node) : IAsyncDisposable
{
    private PeerServer? _server;

    /// <summary>Listens where <paramref name="configuration"/> says; does nothing where this node has no peer.</summary>
    /// <exception cref="DaemonStartException">The address is taken or not this machine's.</exception>
    public async Task StartAsync(ClusterConfiguration configuration, TlsOptions? tls, CancellationToken cancellationToken)
    {
        if (!configuration.PeersOf(node).Any())
            return;
        NodeAddress own = configuration.FindNode(node)!.Address;
        try
        {
            var options = new PeerServerOptions
            {
                Endpoint = await ResolveAsync(own, cancellationToken),
                Tls = tls,
                IsPeerAllowed = name => configuration.PeersOf(node).Any(peer => peer.Name == name),
            };
            _server = PeerServer.Start(options, acceptor);
        }
        catch (IOException e)
        {
            throw new DaemonStartException(ExitCodes.Failed, $"cannot listen for peers on {own}: {e.Message}", "is another daemon running, or is the address another host's?");
        }
    }

    /// <summary>
    /// Listens anew. Where another address is asked for, the old one is given up only once the new one is taken; where the same one is needed with other certificates it is
    /// free for a moment, and the old certificates come back if the new ones do not work. Peers reconnect.
    /// </summary>
    /// <exception cref="DaemonStartException">It listens as before.</exception>
    public async Task MoveAsync(ClusterConfiguration before, TlsOptions? tlsBefore, ClusterConfiguration after, TlsOptions? tlsAfter, CancellationToken cancellationToken)
    {
        PeerServer? old = _server;
        bool isSameAddress = before.FindNode(node)?.Address == after.FindNode(node)?.Address;
        if (isSameAddress && old is not null)
        {
            await old.DisposeAsync();
            _server = old = null;
        }

        try
        {
            await StartAsync(after, tlsAfter, cancellationToken);
        }
        catch (DaemonStartException) when (isSameAddress)
        {
            await StartAsync(before, tlsBefore, cancellationToken);
            throw;
        }

        if (old is not null)
            await old.DisposeAsync();
    }

    /// <summary>The address to dial or to listen on, looked up.</summary>
    /// <exception cref="DaemonStartException">The name is unknown.</exception>
    public static async Task<IPEndPoint> ResolveAsync(NodeAddress address, CancellationToken cancellationToken)
    {
        if (EndpointOf(address) is IPEndPoint ip)
            return ip;
        try
        {
            IPAddress[] found = await Dns.GetHostAddressesAsync(address.Host, cancellationToken);
            return new IPEndPoint(found[0], address.Port);
        }
        catch (SocketException e)
        {
            throw new DaemonStartException(ExitCodes.ConfigurationOrDaemon, $"cannot look up {address.Host}: {e.Message}");
        }
    }

    /// <summary>The address as the dialler wants it: a name is looked up at each attempt.</summary>
    public static EndPoint EndpointOf(NodeAddress address) => IPAddress.TryParse(address.Host, out IPAddress? ip)
        ? new IPEndPoint(ip, address.Port)
        : new DnsEndPoint(address.Host, address.Port);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _server = null;
    }
}
