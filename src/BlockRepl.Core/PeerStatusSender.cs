using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Tells the peers what they must know of this node's state, when it has changed.</summary>
/// <param name="context">The resource.</param>
/// <param name="read">What a peer is told now.</param>
internal sealed class PeerStatusSender(ResourceContext context, Func<Peer, PeerStatusMessage> read)
{
    /// <summary>Sends to each connected peer what is new to it. Only that: an answer to each status with a status would never end.</summary>
    public void Send()
    {
        context.IsPeerStatusDue = false;
        foreach (Peer peer in context.Peers)
        {
            if (!peer.IsConnected || peer.Link == LinkId.None)
                continue;
            PeerStatusMessage status = read(peer);
            if (peer.StatusSent is { } before && before.Role == status.Role && before.Volumes.AsSpan().SequenceEqual(status.Volumes.AsSpan())
                && before.Resyncs.AsSpan().SequenceEqual(status.Resyncs.AsSpan()))
                continue;
            peer.StatusSent = status;
            context.Send(peer, status);
        }
    }
}
