using System.Net;
using System.Net.Sockets;
using BlockRepl.Nbd;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Nbd;

/// <summary>
/// The NBD server of a node: its listeners, its connections, and what they share. Thread-safe. <see cref="Stop"/> ends it:
/// no new connections, none submits further, what was submitted is answered, then everything is closed.
/// </summary>
public sealed class NbdServer : IDisposable
{
    private readonly object _gate = new();
    private readonly HashSet<NbdConnection> _connections = [];
    private readonly List<NbdListener> _listeners = [];
    private int _placesTaken;
    private bool _stopping;

    /// <param name="source">Where clients find their exports.</param>
    /// <param name="options">Limits and time-outs.</param>
    /// <param name="logger">Connections that come and go.</param>
    public NbdServer(INbdExportSource source, NbdServerOptions options, ILogger<NbdServer> logger)
    {
        Source = source;
        Options = options;
        Logger = logger;
        ReplyWriter = new NbdReplyWriter(options.StallTimeout);
    }

    /// <summary>Connections open at this moment, those in their handshake included.</summary>
    public int ConnectionCount
    {
        get
        {
            lock (_gate)
                return _connections.Count;
        }
    }

    internal INbdExportSource Source { get; }

    internal NbdServerOptions Options { get; }

    internal ILogger Logger { get; }

    internal NbdReplyWriter ReplyWriter { get; }

    internal NbdExportDirectory Directory { get; } = new();

    /// <summary>
    /// Listens on a unix socket, mode 0660. The file of a dead server is replaced, a live one's never (hard part 26).
    /// </summary>
    /// <param name="path">At most 107 bytes.</param>
    /// <param name="groupId">Numeric group that may connect, or null for the process's own.</param>
    /// <exception cref="NbdListenException">The path is taken, or the system refuses it.</exception>
    public void ListenUnix(string path, int? groupId = null) => Add(NbdUnixSocket.Listen(this, path, groupId));

    /// <summary>Listens on TCP and returns the endpoint, with the port that port 0 became.</summary>
    /// <exception cref="NbdListenException">The address is taken, or the system refuses it.</exception>
    public IPEndPoint ListenTcp(IPEndPoint endpoint)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // .NET sets SO_REUSEADDR by itself on Linux, so lingering connections of a dead server do not hinder.
            socket.Bind(endpoint);
            socket.Listen(NbdListener.Backlog);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new NbdListenException($"cannot listen for NBD on {endpoint}: {e.Message}", e);
        }

        var bound = (IPEndPoint)socket.LocalEndPoint!;
        Add(new NbdListener(this, socket, $"tcp {bound}", null));
        return bound;
    }

    /// <summary>
    /// Stops accepting, aborts every connection, waits for what was submitted to be completed and answered (at most
    /// <see cref="NbdServerOptions.DrainTimeout"/>), closes everything. False when an export kept requests beyond that.
    /// </summary>
    public bool Stop(string reason)
    {
        NbdListener[] listeners;
        NbdConnection[] connections;
        lock (_gate)
        {
            _stopping = true;
            listeners = [.. _listeners];
            _listeners.Clear();
            connections = [.. _connections];
        }

        foreach (NbdListener listener in listeners)
            listener.Dispose();
        foreach (NbdConnection connection in connections)
            connection.Abort(reason);
        long end = Environment.TickCount64 + (long)Options.DrainTimeout.TotalMilliseconds;
        int left = 0;
        foreach (NbdConnection connection in connections)
        {
            if (!connection.Thread.Join((int)Math.Max(0, end - Environment.TickCount64)))
            {
                connection.HangUp(reason);
                left++;
            }
        }

        if (left > 0)
            NbdLog.GaveUp(Logger, left);
        return left == 0;
    }

    /// <summary><see cref="Stop"/>, for the end of the process.</summary>
    public void Dispose()
    {
        if (Stop("the server is shutting down"))
            ReplyWriter.Dispose();
    }

    internal void Accept(Socket socket, string description)
    {
        NbdConnection? connection = null;
        int count;
        lock (_gate)
        {
            count = _placesTaken;
            if (!_stopping && count < Options.ConnectionsMax)
            {
                _placesTaken++;
                connection = new NbdConnection(this, socket, description) { HasPlace = true };
                _connections.Add(connection);
                // Started under the lock, so that Stop never joins a thread that has not begun.
                connection.Thread.Start();
            }
        }

        if (connection is null)
        {
            NbdLog.TooMany(Logger, description, count);
            socket.Dispose();
        }
    }

    /// <summary>
    /// Serves an export to the other end of a socket without a handshake, and beyond the limit of connections: it is this host's own kernel. Null when the export is
    /// refused; the socket is closed then.
    /// </summary>
    /// <param name="socket">This end; owned from here on.</param>
    /// <param name="description">For the log.</param>
    /// <param name="exportName">The export.</param>
    /// <param name="ended">See <see cref="NbdConnection.Ended"/>.</param>
    /// <param name="refusal">Why not, in words.</param>
    internal NbdConnection? Serve(Socket socket, string description, string exportName, Action<NbdConnection> ended, out string refusal)
    {
        if (Options.StallTimeout != Timeout.InfiniteTimeSpan)
            socket.ReceiveTimeout = (int)Options.StallTimeout.TotalMilliseconds;
        var connection = new NbdConnection(this, socket, description) { Ended = ended };
        if (!Source.TryOpen(exportName, connection, out INbdExport? export, out refusal))
        {
            socket.Dispose();
            return null;
        }

        connection.Take(export);
        lock (_gate)
        {
            if (!_stopping)
            {
                _connections.Add(connection);
                connection.Thread.Start();
                return connection;
            }
        }

        refusal = "the daemon is stopping";
        Source.Closed(export, connection);
        socket.Dispose();
        return null;
    }

    /// <summary>Before the socket is closed: a client that has seen the hang-up may connect at once, and must not find its own place taken.</summary>
    internal void GiveUpPlace(NbdConnection connection)
    {
        if (!connection.HasPlace)
            return;
        lock (_gate)
            _placesTaken--;
    }

    /// <summary>After the socket is closed.</summary>
    internal void Forget(NbdConnection connection)
    {
        lock (_gate)
            _connections.Remove(connection);
    }

    private void Add(NbdListener listener)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            _listeners.Add(listener);
        }

        NbdLog.Listening(Logger, listener.Endpoint);
        listener.Start();
    }
}
