using System.Net;
using System.Net.Sockets;
using System.Text;
using BlockRepl.Primitives;
using BlockRepl.Rpc.Http2;

namespace BlockRepl.Rpc.Tests;

/// <summary>G14: what a dialler meets that is no honest peer ends the connection with a reason.</summary>
public class HostileServerTests
{
    private static readonly byte[] Settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    // :status 200 and content-type application/grpc, as literals.
    private static readonly byte[] Headers = Frame(1, 4, 1, new HpackEncoder().Indexed(8).Literal("content-type", "application/grpc").ToArray());

    public static TheoryData<string, byte[]> Answers() => new()
    {
        { "first frame is not SETTINGS", Encoding.ASCII.GetBytes("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") },
        { "first frame is not SETTINGS", Pair.Bytes(4096, 5) },
        { "closed the connection", [] },
        { "closed the connection", Settings },
        { "closed the connection", [.. Settings, 0, 0, 9, 0] },
        { "a Settings frame of 65536 bytes", [.. Settings, 1, 0, 0, 4, 0, 0, 0, 0, 0] },
        { "malformed SETTINGS", [.. Settings, .. Frame(4, 0, 0, new byte[5])] },
        { "initial window beyond", [.. Settings, .. Frame(4, 0, 0, [0, 4, 0xFF, 0xFF, 0xFF, 0xFF])] },
        { "MAX_FRAME_SIZE out of range", [.. Settings, .. Frame(4, 0, 0, [0, 5, 0, 0, 0, 1])] },
        { "ENABLE_PUSH", [.. Settings, .. Frame(4, 0, 0, [0, 2, 0, 0, 0, 1])] },
        { "malformed PING", [.. Settings, .. Frame(6, 0, 0, new byte[7])] },
        { "malformed WINDOW_UPDATE", [.. Settings, .. Frame(8, 0, 0, new byte[4])] },
        { "a window beyond", [.. Settings, .. Frame(8, 0, 0, [0x7F, 0xFF, 0xFF, 0xFF])] },
        { "PushPromise", [.. Settings, .. Frame(5, 4, 1, new byte[4])] },
        { "Continuation", [.. Settings, .. Frame(9, 4, 1, [0x88])] },
        { "DATA where none may be", [.. Settings, .. Frame(0, 0, 1, new byte[5])] },
        // DATA with one bit of its type flipped: what it carries must not be dropped without a word (G10).
        { "malformed PRIORITY", [.. Settings, .. Headers, .. Frame(2, 0, 1, new byte[16])] },
        { "a frame of type 16 on the stream", [.. Settings, .. Headers, .. Frame(16, 0, 1, new byte[16])] },
        { "a frame of type 128 on the stream", [.. Settings, .. Headers, .. Frame(128, 0, 1, new byte[16])] },
        { "HEADERS on a stream other than the first", [.. Settings, .. Frame(1, 4, 3, [0x88])] },
        { "HTTP status 404", [.. Settings, .. Frame(1, 4, 1, [0x8D])] },
        { "does not speak gRPC: content-type text/html", [.. Settings, .. Frame(1, 4, 1, new HpackEncoder().Indexed(8).Literal("content-type", "text/html").ToArray())] },
        { "header index out of range", [.. Settings, .. Frame(1, 4, 1, [0xBE])] },
        { "dynamic table larger", [.. Settings, .. Frame(1, 4, 1, [0x3F, 0xE1, 0x1F])] },
        { "header number out of range", [.. Settings, .. Frame(1, 4, 1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])] },
        { "header block that ends early", [.. Settings, .. Frame(1, 4, 1, [0x00, 0x05, 0x61])] },
        { "bad Huffman string", [.. Settings, .. Frame(1, 4, 1, [0x00, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x00])] },
        { "endless or broken header block", [.. Settings, .. Frame(1, 0, 1, []), .. Repeat(Frame(9, 0, 1, []), 40)] },
        { "a message of 4294967295 bytes", [.. Settings, .. Headers, .. Frame(0, 0, 1, [0, 0xFF, 0xFF, 0xFF, 0xFF])] },
        { "compressed gRPC message", [.. Settings, .. Headers, .. Frame(0, 0, 1, [1, 0, 0, 0, 0])] },
        { "a DATA frame of 1048577 bytes", [.. Settings, .. Headers, 0x10, 0, 1, 0, 0, 0, 0, 0, 1] },
        { "inside a message", [.. Settings, .. Headers, .. Frame(0, 1, 1, [0, 0, 0])] },
        { "UNIMPLEMENTED (12) no such thing", [.. Settings, .. Headers, .. Frame(1, 5, 1, new HpackEncoder().Literal("grpc-status", "12").Literal("grpc-message", "no%20such thing").ToArray())] },
        { "without a gRPC status", [.. Settings, .. Headers, .. Frame(1, 5, 1, new HpackEncoder().Literal("x", "y").ToArray())] },
        { "reset the stream: INTERNAL_ERROR", [.. Settings, .. Frame(3, 0, 1, [0, 0, 0, 2])] },
        { "ended the connection: ENHANCE_YOUR_CALM", [.. Settings, .. Frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 11])] },
        { "more control frames than it takes answers|closed the connection", [.. Settings, .. Repeat(Frame(6, 0, 0, new byte[8]), 2_000_000 / 17)] },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task The_dialler_says_what_was_wrong(string what, byte[] answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task server = Task.Run(() => Serve(listener, answer));
        var handler = new RecordingHandler();
        string message;
        try
        {
            await PeerDialer.DialAsync(listener.LocalEndpoint, null, "beta", handler, Pair.ConnectTimeout, CancellationToken.None);
            message = (await handler.Closed).Detail;
            Assert.Equal(1, handler.ClosedCount);
        }
        catch (ChannelException e)
        {
            message = e.Message;
            Assert.Equal(0, handler.ClosedCount);
        }

        Assert.True(what.Split('|').Any(w => message.Contains(w, StringComparison.Ordinal)), message);
        await server;
    }

    [Fact]
    public async Task Mutated_answers_end_the_connection_and_leak_nothing()
    {
        var random = new Random(20261122);
        byte[] good =
        [
            .. Settings, .. Headers, .. Frame(0, 0, 1, [0, 0, 0, 0, 3, 1, 2, 3]), .. Frame(6, 0, 0, new byte[8]), .. Frame(8, 0, 0, [0, 1, 0, 0]),
            .. Frame(0, 8, 1, [2, 0, 0, 0, 1, 0, 9, 9]), .. Frame(1, 5, 1, new HpackEncoder().Literal("grpc-status", "0").ToArray()),
        ];
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        for (int round = 0; round < 300; round++)
        {
            byte[] answer = [.. good];
            for (int i = random.Next(1, 5); i > 0; i--)
                answer[random.Next(answer.Length)] = (byte)random.Next(256);
            Task server = Task.Run(() => Serve(listener, answer));
            var handler = new RecordingHandler();
            try
            {
                await PeerDialer.DialAsync(listener.LocalEndpoint, null, "beta", handler, Pair.ConnectTimeout, CancellationToken.None);
                await handler.Closed;
            }
            catch (ChannelException e)
            {
                Assert.NotEqual(ChannelCloseReason.Timeout, e.Reason);
            }

            await server;
        }

        SpinWait.SpinUntil(() => BlockBufferPool.Shared.RentedCount == 0, RecordingHandler.Patience);
        Assert.Equal(0, BlockBufferPool.Shared.RentedCount);
    }

    [Fact]
    public async Task A_silent_server_times_out()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        ChannelException e = await Assert.ThrowsAsync<ChannelException>(() => PeerDialer.DialAsync(
            listener.LocalEndpoint, null, "beta", new RecordingHandler(), TimeSpan.FromMilliseconds(300), CancellationToken.None));
        Assert.Equal(ChannelCloseReason.Timeout, e.Reason);
    }

    [Fact]
    public async Task A_closed_port_is_reported()
    {
        ChannelException e = await Assert.ThrowsAsync<ChannelException>(() => PeerDialer.DialAsync(
            new IPEndPoint(IPAddress.Loopback, 1), null, "beta", new RecordingHandler(), Pair.ConnectTimeout, CancellationToken.None));
        Assert.Equal("cannot connect: Connection refused", e.Message);
    }

    [Fact]
    public async Task Dialling_is_cancelled()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var cancel = new CancellationTokenSource();
        Task<IPeerChannel> dial = PeerDialer.DialAsync(listener.LocalEndpoint, null, "beta", new RecordingHandler(), Pair.ConnectTimeout, cancel.Token);
        using (await listener.AcceptTcpClientAsync())
            await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial);
    }

    private static void Serve(TcpListener listener, byte[] answer)
    {
        using Socket socket = listener.AcceptSocket();
        try
        {
            socket.Send(answer);
            socket.Shutdown(SocketShutdown.Send);
            // Until the dialler closes: closing first over unread bytes would reset and lose the answer.
            var trash = new byte[65536];
            while (socket.Receive(trash) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // The dialler hung up, as it should.
        }
    }

    private static byte[] Frame(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        new FrameHeader(payload.Length, (FrameType)type, flags, stream).Write(frame);
        payload.CopyTo(frame, 9);
        return frame;
    }

    private static byte[] Repeat(byte[] frame, int count) => [.. Enumerable.Repeat(frame, count).SelectMany(f => f)];
}
