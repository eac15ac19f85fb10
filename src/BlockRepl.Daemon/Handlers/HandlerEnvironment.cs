using System.Globalization;
using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Handlers;

/// <summary>
/// What a handler finds in its environment: DRBD's names, so that programs written for it go on working, the same with BlockRepl's own, and what makes
/// <c>blockrepl</c> on this machine speak to this daemon. docs/handlers.md has the table.
/// </summary>
internal static class HandlerEnvironment
{
    /// <summary>The variables of a call.</summary>
    public static Dictionary<string, string> For(HandlerCall call, ResourceConfiguration resource, DaemonContext context)
    {
        ClusterConfiguration cluster = context.Configuration;
        Dictionary<string, string> variables = new()
        {
            ["BLOCKREPL_CONFIG"] = Path.GetFullPath(cluster.File),
            ["BLOCKREPL_NODE"] = context.Node,
            ["BLOCKREPL_RUN_DIR"] = context.RunDirectory.Path,
        };
        void Both(string name, string value) => variables["DRBD_" + name] = variables["BLOCKREPL_" + name] = value;

        variables["BLOCKREPL_HANDLER"] = HandlerNames.Of(call.Kind);
        variables["BLOCKREPL_HANDLER_TIMEOUT"] = Text((int)resource.HandlerTimeout.TotalSeconds);
        Both("RESOURCE", resource.Name);
        Both("CONF", variables["BLOCKREPL_CONFIG"]);
        VolumeConfiguration[] volumes = [.. resource.Volumes.Where(volume => call.Volumes.Contains(volume.Nr))];
        Both("VOLUME", string.Join(' ', volumes.Select(volume => Text(volume.Nr.Value))));
        variables["BLOCKREPL_VOLUME_NAME"] = string.Join(' ', volumes.Select(volume => volume.Name));
        string disks = string.Join(' ', volumes.Select(volume => volume.Disk.For(context.Node)));
        variables["DRBD_LL_DISK"] = disks;
        Both("BACKING_DEV", disks);
        foreach (VolumeConfiguration volume in volumes)
            Both($"BACKING_DEV_{volume.Nr.Value}", volume.Disk.For(context.Node));

        int upToDate = 0;
        for (int i = 0; i < cluster.Nodes.Count; i++)
        {
            Both($"NODE_ID_{i}", cluster.Nodes[i].Name);
            if (cluster.Nodes[i].Name != context.Node)
                continue;
            Both("MY_NODE_ID", Text(i));
            AddAddress(Both, "MY", cluster.Nodes[i]);
            upToDate = call.IsUpToDateHere ? 1 << i : 0;
        }

        variables["UP_TO_DATE_NODES"] = variables["BLOCKREPL_UP_TO_DATE_NODES"] = $"0x{upToDate:X8}";
        Both("CSTATE", call.ConnectionState.ToString());
        if (call.Peer is { } id && cluster.PeersOf(context.Node).ElementAtOrDefault(id.Value) is { } peer)
        {
            Both("PEER", peer.Name);
            Both("PEERS", peer.Name);
            Both("PEER_NODE_ID", Text(IndexOf(cluster, peer)));
            AddAddress(Both, "PEER", peer);
        }

        return variables;
    }

    private static void AddAddress(Action<string, string> both, string whose, NodeConfiguration node)
    {
        both(whose + "_ADDRESS", node.Address.Host);
        both(whose + "_AF", node.Address.Host.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4");
    }

    private static int IndexOf(ClusterConfiguration cluster, NodeConfiguration node)
    {
        for (int i = 0; i < cluster.Nodes.Count; i++)
        {
            if (cluster.Nodes[i] == node)
                return i;
        }

        return -1;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
