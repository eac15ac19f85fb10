using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// A changed configuration takes effect on a resource that is up. All but the protocol is this node's own affair and counts from the next use on. When a write counts as done is the
/// affair of both: of two configurations that differ the safer one is in force, and each node tells the other what its own says (docs/decisions/0040).
/// </summary>
internal sealed class SettingsChange(ResourceContext context, Connections connections)
{
    /// <summary>The safer of two protocols: C waits for both disks, B for the peer's memory, A for nothing.</summary>
    public static WriteProtocol Safer(WriteProtocol one, WriteProtocol other) => (WriteProtocol)Math.Max((byte)one, (byte)other);

    /// <summary>Takes new settings over. Names and peers are the same: they are fixed while the resource is up.</summary>
    public void Apply(ResourceSettings settings)
    {
        ResourceSettings before = context.Settings;
        Check.That(settings.Name == before.Name && settings.NodeName == before.NodeName && settings.Peers.AsSpan().SequenceEqual(before.Peers.AsSpan()), "settings of another resource");
        context.Settings = settings;
        context.StateChanged = true;
        foreach (Volume volume in context.Volumes)
        {
            if (volume.ActivityLog is { } log)
                log.ExtentsMax = settings.ActivityLogExtentsMax;
        }

        if (settings.Protocol == before.Protocol)
            return;
        context.Log($"{settings.Name}: protocol {settings.Protocol}, was {before.Protocol}");
        foreach (Peer peer in context.Peers)
            Announce(peer);
    }

    /// <summary>The peer's configuration was changed.</summary>
    public void PeerChanged(Peer peer, SettingsUpdateMessage message) => Agree(peer, message.Protocol);

    /// <summary>What the peer's configuration says is known: decides what is in force on this connection.</summary>
    public static void Agree(ResourceContext context, Peer peer, WriteProtocol theirs)
    {
        context.StateChanged |= peer.PeerProtocol != theirs;
        peer.PeerProtocol = theirs;
        WriteProtocol agreed = Safer(context.Settings.Protocol, theirs);
        if (theirs != context.Settings.Protocol)
            context.Log($"{context.Settings.Name}@{peer.Name}: {Describe(context, peer)}");
        context.StateChanged |= peer.Agreed != agreed;
        peer.Agreed = agreed;
    }

    /// <summary>What is in force while the two configurations differ, in words; empty when they say the same, or while the peer's is not known.</summary>
    public static string Describe(ResourceContext context, Peer peer) =>
        peer.Step < HandshakeStep.Verdict || peer.PeerProtocol == context.Settings.Protocol
            ? ""
            : $"protocol {context.Settings.Protocol} here, {peer.PeerProtocol} on {peer.Name}: {Safer(context.Settings.Protocol, peer.PeerProtocol)} is in force until both configurations say the same";

    private void Agree(Peer peer, WriteProtocol theirs) => Agree(context, peer, theirs);

    private void Announce(Peer peer)
    {
        switch (peer.Step)
        {
            case HandshakeStep.Done when peer.Version >= ProtocolVersion.V2:
                context.Send(peer, new SettingsUpdateMessage(context.Settings.Protocol));
                Agree(peer, peer.PeerProtocol);
                break;
            case HandshakeStep.State or HandshakeStep.Verdict or HandshakeStep.Done:
                // The old one is told already, or the peer cannot be told: it hears of it in the next handshake.
                connections.Renegotiate(peer, "the protocol was changed");
                break;
            default:
                break;
        }
    }
}
