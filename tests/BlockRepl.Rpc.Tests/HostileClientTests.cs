using System.Net;
using System.Net.Sockets;
using BlockRepl.Rpc.Http2;

namespace BlockRepl.Rpc.Tests;

/// <summary>G14: what connects to a server and is no honest peer costs little and ends.</summary>
public class HostileClientTests
{
    private static readonly byte[] Preface = [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, 4, 0, 0, 0, 0, 0];

    [Fact]
    public async Task Http1_is_turned_away() => await EndsAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());

    [Fact]
    public async Task Random_bytes_are_turned_away() => await EndsAsync(Pair.Bytes(100_000, 3));

    [Fact]
    public async Task An_oversized_frame_ends_the_connection() => await EndsAsync([.. Preface, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1]);

    [Fact]
    public async Task Oversized_headers_end_the_connection()
    {
        byte[] block = new HpackEncoder().Indexed(3).Indexed(6).Literal(":path", PeerDialer.StreamPath).Literal("x", new string('a', 60_000)).ToArray();
        await EndsAsync([.. Preface, .. Frame(1, 4, 1, block)]);
    }

    [Fact]
    public async Task A_slow_preface_ends_in_time() => await EndsAsync("PRI * HT"u8.ToArray());

    [Fact]
    public async Task Slow_headers_end_in_time() => await EndsAsync([.. Preface, .. Frame(1, 0, 1, [0x83])]);

    [Fact]
    public async Task Silence_ends_in_time() => await EndsAsync([]);

    [Fact]
    public async Task An_oversized_message_is_a_protocol_error()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor);
        using Socket socket = Connect(server);
        socket.Send([.. Preface, .. Request(), .. Frame(0, 0, 1, [0, 0x7F, 0xFF, 0xFF, 0xFF])]);
        (_, RecordingHandler handler) = acceptor.Next();
        (ChannelCloseReason reason, string detail) = await handler.Closed;
        Assert.Equal(ChannelCloseReason.ProtocolError, reason);
        Assert.Contains("a message of 2147483647 bytes", detail, StringComparison.Ordinal);
        ReadToEnd(socket);
    }

    [Fact]
    public async Task A_stream_that_ends_inside_a_message_is_a_protocol_error()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor);
        using Socket socket = Connect(server);
        socket.Send([.. Preface, .. Request(), .. Frame(0, 1, 1, [0, 0, 0, 0, 9, 1, 2])]);
        (_, RecordingHandler handler) = acceptor.Next();
        Assert.Equal(ChannelCloseReason.ProtocolError, (await handler.Closed).Reason);
    }

    [Fact]
    public async Task A_killed_client_is_a_network_failure()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor);
        Socket socket = Connect(server);
        socket.Send([.. Preface, .. Request(), .. Frame(0, 0, 1, [0, 0, 0, 0, 1, 7])]);
        (_, RecordingHandler handler) = acceptor.Next();
        Assert.Equal([7], handler.Next());
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
        Assert.Equal(ChannelCloseReason.NetworkFailure, (await handler.Closed).Reason);
        Assert.Equal(1, handler.ClosedCount);
    }

    [Fact]
    public async Task Another_path_is_unimplemented()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor);
        using var client = new HttpClient { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{server.Endpoint}/other.Service/Method")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([]),
        };
        request.Content.Headers.ContentType = new("application/grpc");
        using HttpResponseMessage response = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("12", response.Headers.GetValues("grpc-status").Single());
        Assert.Contains("something other than the peer stream", acceptor.NextRefusal(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_stream_on_a_connection_is_a_protocol_error()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor);
        using Socket socket = Connect(server);
        byte[] second = Request();
        second[8] = 3;
        socket.Send([.. Preface, .. Request(), .. second]);
        (_, RecordingHandler handler) = acceptor.Next();
        (ChannelCloseReason reason, string detail) = await handler.Closed;
        Assert.Equal(ChannelCloseReason.ProtocolError, reason);
        Assert.Contains("other than the first", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connections_beyond_the_limit_are_hung_up_on_and_there_is_room_again_afterwards()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = PeerServer.Start(
            new PeerServerOptions { Endpoint = new IPEndPoint(IPAddress.Loopback, 0), ConnectionsMax = 2 }, acceptor);
        using Socket first = Connect(server);
        using Socket second = Connect(server);
        using (Socket third = Connect(server))
        {
            ReadToEnd(third);
            Assert.Contains("2 connections already", acceptor.NextRefusal(), StringComparison.Ordinal);
        }

        first.Send([.. Preface, .. Request()]);
        (IPeerChannel channel, RecordingHandler handler) = acceptor.Next();
        channel.Close(ChannelCloseReason.Local, "done");
        await handler.Closed;
        ReadToEnd(first);
        first.Close();
        // The place is free once the server has seen the client's end; until then it says that it is full.
        while (true)
        {
            using Socket again = Connect(server);
            try
            {
                again.Send([.. Preface, .. Request()]);
            }
            catch (SocketException)
            {
                continue;
            }

            if (acceptor.Refused.TryTake(out _, TimeSpan.FromMilliseconds(200)))
                continue;
            acceptor.Next();
            break;
        }
    }

    [Fact]
    public async Task A_server_that_stops_cuts_its_connections()
    {
        var acceptor = new RecordingAcceptor();
        PeerServer server = Pair.Listen(acceptor);
        using Socket silent = Connect(server);
        using Socket open = Connect(server);
        open.Send([.. Preface, .. Request()]);
        (_, RecordingHandler handler) = acceptor.Next();
        await server.DisposeAsync();
        await handler.Closed;
        ReadToEnd(open);
        ReadToEnd(silent);
        Assert.Throws<SocketException>(() => Connect(server));
    }

    private static byte[] Request() => Frame(1, 4, 1, new HpackEncoder()
        .Indexed(3).Indexed(6).Literal(":path", PeerDialer.StreamPath).Literal(":authority", "x")
        .Literal("content-type", "application/grpc").Literal("te", "trailers").ToArray());

    /// <summary>The server hangs up within its time, and still serves others.</summary>
    private static async Task EndsAsync(byte[] bytes)
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = PeerServer.Start(
            new PeerServerOptions { Endpoint = new IPEndPoint(IPAddress.Loopback, 0), HandshakeTimeout = TimeSpan.FromSeconds(1) }, acceptor);
        using (Socket socket = Connect(server))
        {
            try
            {
                socket.Send(bytes);
            }
            catch (SocketException)
            {
                // It hung up already.
            }

            ReadToEnd(socket);
        }

        var handler = new RecordingHandler();
        IPeerChannel good = await PeerDialer.DialAsync(server.Endpoint, null, "beta", handler, Pair.ConnectTimeout, CancellationToken.None);
        acceptor.Next();
        good.Close(ChannelCloseReason.Local, "done");
        await handler.Closed;
    }

    private static Socket Connect(PeerServer server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 15_000 };
        socket.Connect(server.Endpoint);
        return socket;
    }

    private static void ReadToEnd(Socket socket)
    {
        var trash = new byte[65536];
        try
        {
            while (socket.Receive(trash) > 0)
            {
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // A reset is an end too; a time-out is not.
        }
    }

    private static byte[] Frame(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        new FrameHeader(payload.Length, (FrameType)type, flags, stream).Write(frame);
        payload.CopyTo(frame, 9);
        return frame;
    }
}
