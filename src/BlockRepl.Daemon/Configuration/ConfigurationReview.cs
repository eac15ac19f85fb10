namespace BlockRepl.Daemon.Configuration;

/// <summary>What an operator should know about a configuration that is legal.</summary>
internal static class ConfigurationReview
{
    /// <summary>Legal, but probably not meant.</summary>
    public static IReadOnlyList<string> Warnings(ClusterConfiguration configuration)
    {
        List<string> said = [];
        if (configuration.Tls is null && configuration.Nodes.Count > 1 && configuration.Nodes.Any(n => !n.Address.IsLoopback))
            said.Add("tls is off: nodes talk in clear text, and anyone who reaches the port may pose as a peer (G14)");
        foreach (var node in configuration.Nodes)
        {
            if (configuration.MetricsOf(node.Name) is { IsLoopback: false } address)
                said.Add($"metrics of {node.Name} are served on {address}, which is not loopback: names and states are there for anyone who reaches it");
        }
        foreach (var resource in configuration.Resources)
        {
            var network = resource.Network;
            if (resource.Fencing != FencingPolicy.DontCare && resource.Handlers[Core.HandlerKind.FencePeer] is null)
            {
                said.Add(resource.Fencing == FencingPolicy.ResourceAndStonith
                    ? $"resource {resource.Name}: fencing is resource-and-stonith without a fence-peer handler; when the peer is lost I/O freezes until a person says resume-io"
                    : $"resource {resource.Name}: fencing is resource-only without a fence-peer handler; no node is promoted without its peer but by a person");
            }
            if (network.Timeout >= network.PingInterval || network.Timeout >= network.ConnectInterval)
                said.Add($"resource {resource.Name}: timeout should be shorter than ping-int and connect-int");
        }
        return said;
    }
}
