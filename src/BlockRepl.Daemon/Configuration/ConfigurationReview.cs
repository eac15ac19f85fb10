namespace BlockRepl.Daemon.Configuration;

/// <summary>What an operator should know about a configuration that is legal.</summary>
internal static class ConfigurationReview
{
    /// <summary>Settings that are read and not kept yet. A feature that is finished takes its lines out here.</summary>
    public static IReadOnlyList<string> NotYetKept(ClusterConfiguration configuration)
    {
        List<string> said = [];
        foreach (var resource in configuration.Resources)
        {
            if (resource.Fencing != FencingPolicy.DontCare)
                said.Add($"resource {resource.Name}: fencing is read but not kept yet; a lost peer is not fenced (G13)");
        }
        return said;
    }

    /// <summary>Legal, but probably not meant.</summary>
    public static IReadOnlyList<string> Warnings(ClusterConfiguration configuration)
    {
        List<string> said = [];
        if (configuration.Tls is null && configuration.Nodes.Count > 1 && configuration.Nodes.Any(n => !n.Address.IsLoopback))
            said.Add("tls is off: nodes talk in clear text, and anyone who reaches the port may pose as a peer (G14)");
        foreach (var resource in configuration.Resources)
        {
            var network = resource.Network;
            if (network.Timeout >= network.PingInterval || network.Timeout >= network.ConnectInterval)
                said.Add($"resource {resource.Name}: timeout should be shorter than ping-int and connect-int");
        }
        return said;
    }
}
