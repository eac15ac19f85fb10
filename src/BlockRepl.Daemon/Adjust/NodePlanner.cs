using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Adjust;

/// <summary>Plans what concerns the whole node: where it listens, where it dials, with which certificates.</summary>
internal sealed class NodePlanner(NodeRuntime node, ClusterConfiguration next)
{
    private ClusterConfiguration Before => node.Context.Configuration;

    private string Name => node.Context.Node;

    public void Plan(AdjustPlan plan)
    {
        if (IsOtherListener(Before.Nbd, next.Nbd))
            plan.Refuse("nbd: where clients are served over TCP cannot be changed while the daemon runs", "restart the daemon");
        TlsOptions? tls = node.Tls;
        bool otherTls = Describe(Before.Tls) != Describe(next.Tls);
        if (otherTls && !TryLoad(plan, out tls))
            return;
        List<string> lines = [];
        if (otherTls)
            lines.Add($"tls: {Describe(Before.Tls)} -> {Describe(next.Tls)}; peers reconnect");
        NodeAddress? own = Before.FindNode(Name)?.Address;
        bool moves = own != next.FindNode(Name)!.Address;
        if (moves)
            lines.Add($"node {Name}: listens on {own} -> {next.FindNode(Name)!.Address}; peers reconnect");
        NodeAddress? metrics = next.MetricsOf(Name);
        if (node.Metrics.Address != metrics)
            plan.Add($"metrics: {node.Metrics.Address?.ToString() ?? "off"} -> {metrics?.ToString() ?? "off"}", () => MoveMetricsAsync());
        if (lines.Count > 0)
            plan.Steps.Add(new AdjustStep(lines, () => MoveListenerAsync(tls)));
        foreach (NodeConfiguration peer in next.PeersOf(Name))
        {
            NodeAddress? before = Before.FindNode(peer.Name)?.Address;
            if (before is not null && before != peer.Address)
                plan.Add($"node {peer.Name}: address {before} -> {peer.Address}; reconnect", () => RetargetAsync(peer, tls));
            else if (before is not null && otherTls)
                plan.Add($"node {peer.Name}: reconnect with the new certificates", () => RetargetAsync(peer, tls));
        }
    }

    private bool TryLoad(AdjustPlan plan, out TlsOptions? tls)
    {
        tls = null;
        try
        {
            tls = ResourceFactory.LoadTls(next, Name);
            return true;
        }
        catch (DaemonStartException e)
        {
            plan.Refusals.Add(new ControlResult(e.ExitCode, e.Message, e.Hint));
            return false;
        }
    }

    private async Task<ControlResult> MoveListenerAsync(TlsOptions? tls)
    {
        try
        {
            await node.Peers.MoveAsync(Before, node.Tls, next, tls, CancellationToken.None);
        }
        catch (DaemonStartException e)
        {
            return new ControlResult(e.ExitCode, e.Message, e.Hint);
        }

        node.Tls = tls;
        Remember(next.FindNode(Name)!);
        node.Context = node.Context with { Configuration = Before with { Tls = next.Tls } };
        return ControlResult.Done;
    }

    private async Task<ControlResult> MoveMetricsAsync()
    {
        ControlResult result = await node.Metrics.MoveAsync(next);
        if (result.ExitCode == ExitCodes.Done)
            node.Context = node.Context with { Configuration = Before with { Metrics = next.Metrics } };
        return result;
    }

    private async Task<ControlResult> RetargetAsync(NodeConfiguration peer, TlsOptions? tls)
    {
        foreach (ManagedResource resource in node.Resources)
        {
            int index = resource.Runtime.Settings.Peers.IndexOf(peer.Name);
            if (index < 0)
                continue;
            PeerConnector connector = resource.Runtime.Connectors[index];
            connector.Retarget(PeerListener.EndpointOf(peer.Address), tls, resource.Runtime.Configuration.Network.ConnectInterval);

            // The other side dials where its own file says; this one's stream stays until then.
            if (connector.IsDialer)
                await resource.Runtime.CommandAsync(new OperatorCommand(OperatorVerb.Reconnect) { Peer = new PeerId(index) });
        }

        Remember(peer);
        return ControlResult.Done;
    }

    private void Remember(NodeConfiguration changed) => node.Context = node.Context with
    {
        Configuration = Before with { Nodes = [.. Before.Nodes.Select(other => other.Name == changed.Name ? changed : other)] },
    };

    private bool IsOtherListener(NbdConfiguration? before, NbdConfiguration? after) =>
        before?.Listen.For(Name) != after?.Listen.For(Name) || Describe(before?.Tls) != Describe(after?.Tls);

    private string Describe(TlsConfiguration? tls) => tls is null
        ? "off"
        : $"{{ {(tls.Ca is null ? "" : $"ca: {tls.Ca.For(Name)}, ")}cert: {tls.Cert.For(Name)}, key: {tls.Key.For(Name)} }}";
}
