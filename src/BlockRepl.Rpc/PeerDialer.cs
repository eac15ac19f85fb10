using System.Net;
using System.Net.Sockets;
using BlockRepl.Rpc.Http2;
using BlockRepl.Rpc.Tls;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc;

/// <summary>Dials a peer: TCP, TLS unless switched off, HTTP/2, and one gRPC stream. Thread-safe.</summary>
public static class PeerDialer
{
    /// <summary>The method that both halves speak.</summary>
    public const string StreamPath = "/blockrepl.v1.Replication/Stream";

    /// <summary>
    /// Opens a stream. When the task is done the peer has shown that it speaks HTTP/2; that it accepts the stream shows with its first
    /// message. The handler may get messages before the task is done, and gets <see cref="IPeerChannelHandler.OnClosed"/> only if it
    /// was.
    /// </summary>
    /// <param name="endpoint">An address, or a name to be looked up.</param>
    /// <param name="tls">This node's certificate; null for clear text.</param>
    /// <param name="expectedPeer">Name of the node that must answer; proved by its certificate, ignored in clear text.</param>
    /// <param name="handler">Gets what comes in.</param>
    /// <param name="connectTimeout">For everything until the task is done.</param>
    /// <param name="cancellationToken">Gives up dialling; does nothing afterwards.</param>
    /// <exception cref="ChannelException">It did not work; the message says why.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async Task<IPeerChannel> DialAsync(
        EndPoint endpoint,
        TlsOptions? tls,
        string expectedPeer,
        IPeerChannelHandler handler,
        TimeSpan connectTimeout,
        CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(connectTimeout);
        IPEndPoint address = await ResolveAsync(endpoint, limit.Token);
        var gate = new object();
        PeerSocket socket = PeerSocket.Create(address.AddressFamily);
        var channel = new DialedChannel(socket, gate, address.ToString(), handler);
        byte[] headers = Headers(tls is not null, tls is null ? address.ToString() : expectedPeer);
        var thread = new Thread(() => channel.Run(() => Connect(socket, gate, address, tls, expectedPeer), headers))
        {
            IsBackground = true,
            Name = $"peer-{expectedPeer}",
        };
        thread.Start();
        using (limit.Token.UnsafeRegister(
            static state => ((DialedChannel)state!).Close(ChannelCloseReason.Timeout, "the peer did not answer in time"), channel))
        {
            try
            {
                return await channel.Opened;
            }
            catch (ChannelException) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
        }
    }

    private static async Task<IPEndPoint> ResolveAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        if (endpoint is IPEndPoint ip)
            return ip;
        var dns = (DnsEndPoint)endpoint;
        try
        {
            IPAddress[] found = await Dns.GetHostAddressesAsync(dns.Host, cancellationToken);
            return new IPEndPoint(found[0], dns.Port);
        }
        catch (OperationCanceledException)
        {
            throw new ChannelException(ChannelCloseReason.Timeout, $"cannot look up {dns.Host} in time");
        }
        catch (SocketException e)
        {
            throw new ChannelException(ChannelCloseReason.NetworkFailure, $"cannot look up {dns.Host}: {e.Message}");
        }
    }

    private static (IWire Wire, string? Peer) Connect(
        PeerSocket socket, object gate, IPEndPoint address, TlsOptions? tls, string expectedPeer)
    {
        socket.Connect(address);
        return tls is null ? (new ClearWire(socket), null) : TlsHandshake.AsClient(socket, gate, tls, expectedPeer);
    }

    private static byte[] Headers(bool isTls, string authority) => new HpackEncoder()
        .Indexed(3) // :method POST
        .Indexed(isTls ? 7 : 6) // :scheme
        .Literal(":path", StreamPath)
        .Literal(":authority", authority)
        .Literal("content-type", "application/grpc+proto")
        .Literal("te", "trailers")
        .Literal("user-agent", "blockrepl")
        .ToArray();
}
