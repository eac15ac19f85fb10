using System.Net;
using System.Net.Sockets;
using BlockRepl.Fuzz.Engine;
using BlockRepl.Primitives;
using BlockRepl.Rpc;

namespace BlockRepl.Fuzz.Targets;

/// <summary>The HTTP/2 engine, at the end that accepts or at the end that dials: it ends with a reason, says so once, and leaks no buffer.</summary>
internal sealed class Http2Target(bool isServer) : FuzzTarget, IPeerAcceptor
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private PeerServer? _running;
    private Handler? _accepted;

    public override string Name => isServer ? "http2-server" : "http2-dialer";

    public override int MillisecondsMax => 30_000;

    public override byte[] Make(Prng chance) => Http2Forge.Stream(chance, isDialer: isServer);

    public override void Run(byte[] input)
    {
        if (isServer)
            ToServer(input);
        else
            ToDialer(input);
    }

    public IPeerChannelHandler OnAccepted(IPeerChannel channel) => _accepted = new Handler();

    public void OnRefused(string remoteAddress, string why) => Check.That(why.Length > 0, "a refusal without a reason");

    private void ToServer(byte[] input)
    {
        _running ??= PeerServer.Start(new PeerServerOptions { Endpoint = new IPEndPoint(IPAddress.Loopback, 0), HandshakeTimeout = TimeSpan.FromSeconds(10) }, this);
        _accepted = null;
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000 };
        socket.Connect(_running.Endpoint);
        Say(socket, input);
        ReadToEnd(socket);
        if (_accepted is { } handler)
            handler.AwaitClosed();
    }

    private static void ToDialer(byte[] input)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task serving = Task.Run(() =>
        {
            using Socket socket = listener.AcceptSocket();
            socket.ReceiveTimeout = 20_000;
            Say(socket, input);
            ReadToEnd(socket);
        });
        var handler = new Handler();
        try
        {
            PeerDialer.DialAsync(listener.LocalEndpoint, null, "beta", handler, Patience, CancellationToken.None).GetAwaiter().GetResult();
            handler.AwaitClosed();
        }
        catch (ChannelException e)
        {
            Assert.NotEmpty(e.Message);
            Assert.Equal(0, handler.ClosedCount);
        }

        serving.GetAwaiter().GetResult();
    }

    private static void Say(Socket socket, byte[] input)
    {
        try
        {
            socket.Send(input);
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // It hung up first.
        }
    }

    private static void ReadToEnd(Socket socket)
    {
        byte[] trash = new byte[64 << 10];
        try
        {
            while (socket.Receive(trash) > 0)
            {
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
        {
            // A reset is an end too; a time-out is not.
        }

        // Thousands of connections that linger after their end would take every port of the machine.
        socket.LingerState = new LingerOption(true, 0);
    }

    private sealed class Handler : IPeerChannelHandler
    {
        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _closedCount;

        public int ClosedCount => Volatile.Read(ref _closedCount);

        public void AwaitClosed()
        {
            _closed.Task.WaitAsync(Patience).GetAwaiter().GetResult();
            Assert.Equal(1, ClosedCount);
        }

        public void OnMessage(IPeerChannel channel, BlockBuffer message)
        {
            Check.That(ClosedCount == 0, "a message after the end");
            message.Release();
        }

        public void OnDrained(IPeerChannel channel)
        {
        }

        public void OnClosed(IPeerChannel channel, ChannelCloseReason reason, string detail)
        {
            Interlocked.Increment(ref _closedCount);
            _closed.TrySetResult();
        }
    }
}
