using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// Tells the operator's handlers what a handshake found: <c>initial-split-brain</c> of every split brain, <c>split-brain</c> of one that needs a person,
/// <c>pri-lost-after-sb</c> and <c>pri-lost</c> where this node is the Primary that has lost.
/// </summary>
internal sealed class DivergenceReports(ResourceContext context, Handlers handlers)
{
    /// <summary>A handshake has come to its verdicts, or to a refusal.</summary>
    public void Report(Peer peer, HandshakeComparison.Refusal? refusal)
    {
        SyncVerdict[] verdicts = [.. context.Volumes.Select(volume => volume.Peers[peer.Id.Value].Verdict)];
        bool isUnresolved = refusal is { Reason: GoodbyeReason.SplitBrain };
        if (isUnresolved || Array.Exists(verdicts, static verdict => verdict.ResolvesSplitBrain))
            handlers.Call(HandlerKind.InitialSplitBrain, peer);
        if (isUnresolved)
            handlers.Call(HandlerKind.SplitBrain, peer);
        if (isUnresolved && Array.Exists(verdicts, verdict => verdict.PrimaryLost == context.Settings.NodeName))
            handlers.Call(HandlerKind.PriLostAfterSb, peer);
        // Of two Primaries neither has lost: the handler's usual answer is to reboot.
        bool callsPrimaryLost = context.Role == Role.Primary && peer.Role != Role.Primary && context.Settings.RoleConflict == RoleConflictPolicy.CallPrimaryLost;
        if (callsPrimaryLost && refusal is { Reason: GoodbyeReason.RoleConflict })
            handlers.Call(HandlerKind.PriLost, peer);
    }
}
