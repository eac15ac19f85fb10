using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Rpc;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>Makes the objects that run a resource, and the certificates that they talk with.</summary>
internal static class ResourceFactory
{
    /// <summary>A resource, with nothing attached and no connection.</summary>
    public static ManagedResource Build(DaemonContext context, TlsOptions? tls, ResourceConfiguration resource)
    {
        NodeConfiguration[] peers = [.. context.Configuration.PeersOf(context.Node)];
        ResourceSettings settings = CoreSettings.For(context.Configuration, context.Node, resource);
        ILogger log = context.Loggers.CreateLogger("BlockRepl.Connection");
        PeerConnector Connector(PeerId id)
        {
            NodeConfiguration peer = peers[id.Value];
            return new PeerConnector(context.Node, peer.Name, PeerListener.EndpointOf(peer.Address), tls, resource.Network.ConnectInterval, log);
        }

        var runtime = new ResourceRuntime(resource, settings, context, Connector);
        for (int i = 0; i < peers.Length; i++)
            runtime.Connectors[i].Owner = (runtime, new PeerId(i));
        return new ManagedResource(runtime, context);
    }

    /// <summary>The certificates that a configuration names; null for clear text.</summary>
    /// <exception cref="DaemonStartException">They cannot be used.</exception>
    public static TlsOptions? LoadTls(ClusterConfiguration configuration, string node)
    {
        if (configuration.Tls is not { } files)
            return null;
        try
        {
            return TlsOptions.Load(
                files.Ca?.For(node) ?? throw new DaemonStartException(ExitCodes.ConfigurationOrDaemon, "tls: no \"ca\" is given"),
                files.Cert.For(node),
                files.Key.For(node));
        }
        catch (TlsFileException e)
        {
            throw new DaemonStartException(ExitCodes.ConfigurationOrDaemon, e.Message, "make the node's certificate: blockrepl certs node NAME --dir DIR");
        }
    }
}
