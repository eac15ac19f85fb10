using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The handler <c>before-resync-target</c>: the operator's program may still save what a resync is about to overwrite, or forbid it. Any exit code but 0, and a program that
/// is broken, leave the data as it is and the connection StandAlone (DRBD does the same).
/// </summary>
internal sealed class ResyncConsent(ResourceContext context, Handlers handlers, Connections connections)
{
    /// <summary>True if nobody is to be asked. Else <paramref name="goOn"/> is called when the handler agrees and the resync is still wanted.</summary>
    public bool IsGiven(PeerVolume peerVolume, Action goOn)
    {
        if (!context.Settings.Handlers.Contains(HandlerKind.BeforeResyncTarget))
            return true;
        LinkId link = peerVolume.Peer.Link;
        handlers.Call(HandlerKind.BeforeResyncTarget, peerVolume.Peer, peerVolume.Volume, outcome =>
        {
            if (peerVolume.Peer.Link != link || peerVolume.State != ReplicationState.WFBitMapT || peerVolume.HasLostDisk)
                return;
            if (outcome.ExitCode == 0)
            {
                goOn();
                return;
            }

            string why = $"no resync of {peerVolume.Volume.Name}: before-resync-target ended with {outcome.Text}";
            context.Log($"{context.Settings.Name}@{peerVolume.Peer.Name}: {why}");
            connections.Disconnect(peerVolume.Peer, GoodbyeReason.Disconnect, why);
        });
        return false;
    }
}
