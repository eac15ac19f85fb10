using System.Net;
using System.Net.Sockets;
using BlockRepl.Crash.Recording;

namespace BlockRepl.Crash.Cluster;

/// <summary>The wire between the two nodes: hands bytes on, writes down when, and can be cut.</summary>
internal sealed class Relay : IDisposable
{
    private readonly History _history;
    private readonly int _port;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Lock _gate = new();
    private readonly List<Socket> _sockets = [];
    private bool _isCut;
    private bool _isDisposed;

    /// <param name="history">Where what passes is written down.</param>
    /// <param name="port">Where beta listens.</param>
    public Relay(History history, int port)
    {
        _history = history;
        _port = port;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Ends what passes, and lets nothing through until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            _isCut = true;
            foreach (Socket socket in _sockets)
                socket.Dispose();
            _sockets.Clear();
        }
    }

    public void Mend()
    {
        lock (_gate)
            _isCut = false;
    }

    public void Dispose()
    {
        _isDisposed = true;
        _listener.Dispose();
        Cut();
    }

    private async Task AcceptAsync()
    {
        while (!_isDisposed)
        {
            Socket alpha;
            try
            {
                alpha = await _listener.AcceptSocketAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }

            var beta = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            alpha.NoDelay = true;
            bool isRefused;
            lock (_gate)
            {
                isRefused = _isCut;
                if (!isRefused)
                    _sockets.AddRange(alpha, beta);
            }

            if (isRefused)
            {
                alpha.Dispose();
                beta.Dispose();
                continue;
            }

            try
            {
                await beta.ConnectAsync(IPAddress.Loopback, _port);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                alpha.Dispose();
                continue;
            }

            _ = PumpAsync(0, alpha, beta);
            _ = PumpAsync(1, beta, alpha);
        }
    }

    private async Task PumpAsync(int from, Socket source, Socket target)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (true)
            {
                int count = await source.ReceiveAsync(buffer);
                if (count == 0)
                    break;
                _history.Deliver(from, _history.Next());
                for (int at = 0; at < count;)
                    at += await target.SendAsync(buffer.AsMemory(at, count - at));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A cut, or a node that hung up.
        }

        source.Dispose();
        target.Dispose();
    }
}
