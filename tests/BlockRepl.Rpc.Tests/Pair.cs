using System.Net;
using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Tests;

/// <summary>A server, and a stream from a dialler to it, on loopback.</summary>
internal sealed class Pair : IAsyncDisposable
{
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);

    private Pair(PeerServer server)
    {
        Server = server;
    }

    public PeerServer Server { get; }

    public required IPeerChannel Dialed { get; init; }

    public required RecordingHandler DialedHandler { get; init; }

    public required IPeerChannel Accepted { get; init; }

    public required RecordingHandler AcceptedHandler { get; init; }

    public static PeerServer Listen(IPeerAcceptor acceptor, TlsOptions? tls = null, Func<string, bool>? allowed = null) =>
        PeerServer.Start(
            new PeerServerOptions { Endpoint = new IPEndPoint(IPAddress.Loopback, 0), Tls = tls, IsPeerAllowed = allowed }, acceptor);

    public static async Task<Pair> ConnectAsync(bool tls, RecordingHandler? dialedHandler = null, RecordingHandler? acceptedHandler = null)
    {
        var acceptor = new RecordingAcceptor(() => acceptedHandler ?? new RecordingHandler());
        PeerServer server = Listen(acceptor, tls ? TestCerts.Cluster("beta") : null);
        dialedHandler ??= new RecordingHandler();
        IPeerChannel dialed = await PeerDialer.DialAsync(
            server.Endpoint, tls ? TestCerts.Cluster("alpha") : null, "beta", dialedHandler, ConnectTimeout, CancellationToken.None);
        (IPeerChannel channel, RecordingHandler handler) = acceptor.Next();
        return new Pair(server) { Dialed = dialed, DialedHandler = dialedHandler, Accepted = channel, AcceptedHandler = handler };
    }

    /// <summary>Sends bytes as a head and payload segments of several buffers.</summary>
    public static void Send(IPeerChannel channel, ReadOnlySpan<byte> message, int headLength, int segments)
    {
        ReadOnlySpan<byte> rest = message[headLength..];
        var payload = new PayloadSegment[segments];
        for (int i = 0; i < segments; i++)
        {
            int length = i == segments - 1 ? rest.Length : rest.Length / segments;
            BlockBuffer buffer = BlockBufferPool.Shared.Rent(length + 3, BufferPurpose.Test);
            rest[..length].CopyTo(buffer.Span[3..]);
            payload[i] = new PayloadSegment(buffer, 3, length);
            rest = rest[length..];
        }

        channel.Send(message[..headLength], payload);
        foreach (PayloadSegment segment in payload)
            segment.Buffer.Release();
    }

    public static byte[] Bytes(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public async ValueTask DisposeAsync()
    {
        Dialed.Close(ChannelCloseReason.Local, "end of the test");
        await DialedHandler.Closed;
        Accepted.Close(ChannelCloseReason.Local, "end of the test");
        await AcceptedHandler.Closed;
        await Server.DisposeAsync();
    }
}
