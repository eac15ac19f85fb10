using BlockRepl.Rpc.Http2;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc;

/// <summary>The end of a stream that was dialled. Open once a request for the peer stream has come; a connection carries one stream.</summary>
internal sealed class AcceptedChannel(PeerSocket socket, object gate, string remoteAddress, IPeerAcceptor acceptor)
    : StreamChannel(socket, gate, remoteAddress, null)
{
    /// <inheritdoc/>
    public override bool IsDialer => false;

    /// <summary>The time for TLS and the request is over (G14: whoever is slow holds nothing for long).</summary>
    public void EndIfNotOpen() =>
        CloseUnlessOpen(new ChannelException(ChannelCloseReason.Timeout, "the peer did not ask for the stream in time"));

    /// <inheritdoc/>
    public override void OnRequest(List<(string Name, string Value)> headers, int streamId)
    {
        if (!GrpcRequest.IsOther(headers))
        {
            Opens(streamId, () => acceptor.OnAccepted(this));
            return;
        }

        const string Why = "a request for something other than the peer stream";
        Refuses(streamId, Why);
        acceptor.OnRefused(RemoteAddress, Why);
    }
}
