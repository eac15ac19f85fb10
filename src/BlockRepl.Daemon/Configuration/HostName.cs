using System.Net;

namespace BlockRepl.Daemon.Configuration;

/// <summary>Finds this machine among the configured nodes.</summary>
public static class HostName
{
    /// <summary>
    /// <paramref name="asked"/> where it is not null, else the host's full name, else its name up to the first dot; whichever the
    /// configuration has. Null with <paramref name="refusal"/> when it has none of them.
    /// </summary>
    public static string? FindNode(ClusterConfiguration configuration, string? asked, out string? refusal)
    {
        var host = asked ?? Dns.GetHostName();
        var name = asked is not null || configuration.FindNode(host) is not null ? host : host.Split('.')[0];
        refusal = null;
        if (configuration.FindNode(name) is not null)
            return name;
        refusal = $"{configuration.File}: no node is called \"{name}\"{(asked is null ? ", the name of this host" : "")}; the nodes are "
            + string.Join(", ", configuration.Nodes.Select(n => n.Name));
        return null;
    }
}
