using System.Net;
using System.Net.Sockets;

namespace BlockRepl.Daemon.Nbd;

/// <summary>One listening socket and the loop that accepts on it.</summary>
internal sealed class NbdListener : IDisposable
{
    /// <summary>Connections that the kernel holds until they are accepted.</summary>
    public const int Backlog = 128;

    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const int SendBufferBytes = 1 << 20;

    private readonly NbdServer _server;
    private readonly Socket _socket;
    private readonly IDisposable? _claim;
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    /// <param name="server">Takes the connections.</param>
    /// <param name="socket">Bound and listening; owned from here on.</param>
    /// <param name="endpoint">For the log.</param>
    /// <param name="claim">Given back when the socket is closed: a unix socket's file and lock.</param>
    public NbdListener(NbdServer server, Socket socket, string endpoint, IDisposable? claim)
    {
        _server = server;
        _socket = socket;
        Endpoint = endpoint;
        _claim = claim;
    }

    /// <summary>For people.</summary>
    public string Endpoint { get; }

    /// <summary>Begins to accept.</summary>
    public void Start() => _loop = Task.Run(() => AcceptLoopAsync(_stop.Token));

    public void Dispose()
    {
        _stop.Cancel();
        ((IAsyncResult)_loop).AsyncWaitHandle.WaitOne();
        _socket.Dispose();
        _claim?.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptLoopAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                Socket client = await _socket.AcceptAsync(stop);
                Hand(client);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                // Out of descriptors: the pending connection stays in the backlog, so accepting again at once would spin.
                NbdLog.AcceptFailed(_server.Logger, Endpoint, e.Message);
                using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
                try
                {
                    await pause.WaitForNextTickAsync(stop);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
            catch (SocketException e)
            {
                NbdLog.AcceptFailed(_server.Logger, Endpoint, e.Message); // that client went away again
            }
        }
    }

    private void Hand(Socket client)
    {
        try
        {
            string description = Describe(client);
            if (_server.Options.StallTimeout != Timeout.InfiniteTimeSpan)
                client.ReceiveTimeout = (int)_server.Options.StallTimeout.TotalMilliseconds;
            if (client.ProtocolType == ProtocolType.Tcp)
            {
                client.NoDelay = true;
                client.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            }
            else
            {
                // Room for a window of reads in one send. The kernel takes what it allows; TCP sizes its buffers itself.
                client.SendBufferSize = SendBufferBytes;
            }

            _server.Accept(client, description);
        }
        catch (SocketException e)
        {
            client.Dispose();
            NbdLog.AcceptFailed(_server.Logger, Endpoint, e.Message);
        }
    }

    private static string Describe(Socket client)
    {
        if (client.RemoteEndPoint is IPEndPoint remote)
            return $"tcp {remote}";
        Span<byte> credentials = stackalloc byte[12]; // struct ucred: pid, uid, gid
        int length = client.GetRawSocketOption(SolSocket, SoPeerCred, credentials);
        return length == credentials.Length
            ? $"unix pid {BitConverter.ToInt32(credentials)} uid {BitConverter.ToUInt32(credentials[4..])}"
            : "unix";
    }
}
