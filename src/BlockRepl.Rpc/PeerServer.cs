using System.Net;
using BlockRepl.Rpc.Tls;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc;

/// <summary>
/// Listens for peers on this node's address: HTTP/2 only, one stream a connection. A thread accepts; each connection has a thread of its own, which shakes hands
/// and then hands messages on, so a handler may block on a disk. Thread-safe.
/// </summary>
public sealed class PeerServer : IAsyncDisposable
{
    // How long to wait for room when this process has no descriptors left, unless a connection ends first.
    private const int ExhaustedMs = 1000;

    // A handler that is in the middle of a message when the server stops.
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly PeerServerOptions _options;
    private readonly IPeerAcceptor _acceptor;
    private readonly ListenSocket _listener;
    private readonly object _gate = new();
    private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guarded by the gate.
    private readonly HashSet<AcceptedChannel> _channels = [];
    private bool _isStopped;
    private bool _isAccepting = true;

    private PeerServer(PeerServerOptions options, IPeerAcceptor acceptor)
    {
        _options = options;
        _acceptor = acceptor;
        _listener = new ListenSocket(options.Endpoint);
        new Thread(Accept) { IsBackground = true, Name = "peer-accept" }.Start();
    }

    /// <summary>Where it listens, with the port that was taken.</summary>
    public IPEndPoint Endpoint => _listener.Endpoint;

    /// <summary>Starts to listen.</summary>
    /// <exception cref="IOException">The address is in use or not this machine's.</exception>
    public static PeerServer Start(PeerServerOptions options, IPeerAcceptor acceptor) => new(options, acceptor);

    /// <summary>
    /// Stops listening and cuts what is still connected; channels should have been closed before.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        AcceptedChannel[] channels;
        lock (_gate)
        {
            _isStopped = true;
            channels = [.. _channels];
            Monitor.PulseAll(_gate);
        }

        _listener.Shutdown();
        foreach (AcceptedChannel channel in channels)
            channel.Cut();
        try
        {
            await _allEnded.Task.WaitAsync(StopPatience);
        }
        catch (TimeoutException)
        {
            // A handler hangs on its disk: its thread cannot be ended, and needs nothing of this object.
        }

        _listener.Dispose();
    }

    private void Accept()
    {
        while (true)
        {
            (PeerSocket Socket, IPEndPoint Remote)? accepted = null;
            bool isExhausted = false;
            try
            {
                accepted = _listener.Accept(out isExhausted);
            }
            catch (ChannelException)
            {
                // The connection was gone before it could be taken.
                continue;
            }

            lock (_gate)
            {
                if (isExhausted && !_isStopped)
                    Monitor.Wait(_gate, ExhaustedMs);
                if (_isStopped || (accepted is null && !isExhausted))
                {
                    accepted?.Socket.Close();
                    _isAccepting = false;
                    EndIfLast();
                    return;
                }
            }

            if (accepted is { } connection)
                Serve(connection.Socket, connection.Remote);
        }
    }

    private void Serve(PeerSocket socket, IPEndPoint remote)
    {
        var gate = new object();
        var channel = new AcceptedChannel(socket, gate, remote.ToString(), _acceptor);
        bool isFull;
        lock (_gate)
        {
            isFull = _channels.Count >= _options.ConnectionsMax;
            if (!isFull)
                _channels.Add(channel);
        }

        if (isFull)
        {
            _acceptor.OnRefused(channel.RemoteAddress, $"there are {_options.ConnectionsMax} connections already");
            socket.Close();
            return;
        }

        new Thread(() => Run(channel, socket, gate)) { IsBackground = true, Name = "peer-accepted" }.Start();
    }

    private void Run(AcceptedChannel channel, PeerSocket socket, object gate)
    {
        using (new Timer(static state => ((AcceptedChannel)state!).EndIfNotOpen(), channel, _options.HandshakeTimeout, Timeout.InfiniteTimeSpan))
            channel.Run(() => Secure(channel, socket, gate), []);
        lock (_gate)
        {
            _channels.Remove(channel);
            Monitor.PulseAll(_gate);
            EndIfLast();
        }
    }

    private (IWire Wire, string? Peer) Secure(AcceptedChannel channel, PeerSocket socket, object gate) => _options.Tls is { } tls
        ? TlsHandshake.AsServer(socket, gate, tls, _options.IsPeerAllowed, why => _acceptor.OnRefused(channel.RemoteAddress, why))
        : (new ClearWire(socket), null);

    private void EndIfLast()
    {
        if (_isStopped && !_isAccepting && _channels.Count == 0)
            _allEnded.TrySetResult();
    }
}
