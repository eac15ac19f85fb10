using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Which side of a pair is right where they differ (docs/decisions/0030). The Primary is: what it holds is what the applications have seen; a disk that returned errors is detached and not
/// compared at all. Between two Secondaries the one that was Primary last in this connection is. Beyond that nothing speaks for either.
/// </summary>
internal sealed class VerifyEvidence(ResourceContext context)
{
    private readonly LastPrimary[] _last = new LastPrimary[context.Peers.Length];

    private enum LastPrimary : byte
    {
        Nobody,
        ThisNode,
        Peer,
    }

    /// <summary>Notes who is Primary. Called after every event; allocates nothing.</summary>
    public void Observe()
    {
        foreach (Peer peer in context.Peers)
        {
            if (!peer.IsConnected)
                _last[peer.Id.Value] = LastPrimary.Nobody;
            else if (context.Role == Role.Primary)
                _last[peer.Id.Value] = LastPrimary.ThisNode;
            else if (peer.Role == Role.Primary)
                _last[peer.Id.Value] = LastPrimary.Peer;
        }
    }

    /// <summary>Decides whose data counts. Returns a refusal, or null and in <paramref name="isThisNode"/> and <paramref name="why"/> the decision.</summary>
    public CommandResult? Choose(Peer peer, VerifyOptions options, out bool isThisNode, out string why)
    {
        string self = context.Settings.NodeName;
        isThisNode = true;
        why = "";
        if (options.RepairFrom is { } named && named != self && named != peer.Name)
            return CommandResult.Refused($"{context.Settings.Name}: {named} is neither {self} nor {peer.Name}", "name the node whose data counts");
        if (context.Role == Role.Primary || peer.Role == Role.Primary)
        {
            isThisNode = context.Role == Role.Primary;
            string primary = isThisNode ? self : peer.Name;
            why = $"{primary} is Primary, its data is what the applications have seen";
            return options.RepairFrom is null || options.RepairFrom == primary
                ? null
                : CommandResult.Refused(
                    $"{context.Settings.Name}: {primary} is Primary, its data is in use and cannot be overwritten from {options.RepairFrom}",
                    $"demote it first: blockrepl secondary {context.Settings.Name}");
        }

        if (options.RepairFrom is not null)
        {
            isThisNode = options.RepairFrom == self;
            why = $"{options.RepairFrom} was named by the operator";
            return null;
        }

        LastPrimary last = _last[peer.Id.Value];
        if (last != LastPrimary.Nobody)
        {
            isThisNode = last == LastPrimary.ThisNode;
            why = $"{(isThisNode ? self : peer.Name)} was Primary last, its data is what the applications have seen";
            return null;
        }

        why = "neither node was seen as Primary, nothing speaks for either side";
        return options.Repair
            ? CommandResult.Refused(
                $"{context.Settings.Name}: neither {self} nor {peer.Name} is or was Primary in this connection: nothing says which side is right",
                $"name the node whose data counts: --repair={self} or --repair={peer.Name}")
            : null;
    }
}
