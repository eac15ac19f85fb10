using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc.Http2;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc;

/// <summary>
/// Either end of a stream. One thread dials or shakes hands and then receives; senders write to the socket themselves, without blocking, under one
/// gate; what the kernel does not take is sent by a second thread, which exists only once that has happened.
/// </summary>
/// <remarks>
/// <code>
/// not open ──► Open ──Close / error──► Closed: OnClosed
///    └── error: OnNeverOpened
/// </code>
/// </remarks>
internal abstract partial class StreamChannel : IPeerChannel
{
    // How long a stream that ended in good order may take to be read by the peer before the connection is cut.
    private const int LingerMs = 1000;

    private readonly Lock _openGate = new();
    private readonly object _gate;
    private readonly PeerSocket _socket;

    // The receiver's thread only.
    private Http2Receiver? _receiver;

    // Everything below is guarded by the gate.
    private LinkRate _linkRate;
    private IPeerChannelHandler? _handler;
    private Http2Sender? _sender;
    private Thread? _writer;
    private ChannelException? _end;
    private bool _isOpen;
    private bool _inHandler;
    private bool _reported;
    private bool _drainDue;
    private bool _isLingering;

    private long _queuedBytes;
    private long _lastReceivedMs = Environment.TickCount64;

    /// <param name="socket">Owned from here on.</param>
    /// <param name="gate">Guards the sending half.</param>
    /// <param name="remoteAddress">For logs.</param>
    /// <param name="handler">Gets what comes in; null until <see cref="Opens"/> names it.</param>
    protected StreamChannel(PeerSocket socket, object gate, string remoteAddress, IPeerChannelHandler? handler)
    {
        _socket = socket;
        _gate = gate;
        RemoteAddress = remoteAddress;
        _handler = handler;
    }

    /// <inheritdoc/>
    public string? AuthenticatedPeer { get; private set; }

    /// <inheritdoc/>
    public abstract bool IsDialer { get; }

    /// <inheritdoc/>
    public string RemoteAddress { get; }

    /// <inheritdoc/>
    public long QueuedBytes => Volatile.Read(ref _queuedBytes);

    /// <inheritdoc/>
    public bool HasMore => _receiver is { HasUnread: true } || _socket.HasUnread();

    /// <inheritdoc/>
    public long MeasureLink()
    {
        lock (_gate)
        {
            if (_end is null && _socket.TryMeasure(out long bytesPerSecond))
                _linkRate.See(bytesPerSecond, Environment.TickCount64);
            return _linkRate.Known(Environment.TickCount64);
        }
    }

    /// <inheritdoc/>
    public long LastReceivedMs => Volatile.Read(ref _lastReceivedMs);

    /// <inheritdoc/>
    public void Send(ReadOnlySpan<byte> head, ReadOnlySpan<PayloadSegment> payload)
    {
        long length = head.Length;
        foreach (ref readonly PayloadSegment segment in payload)
            length += segment.Length;
        Check.That(length <= ProtocolLimits.MessageBytesMax, "a message is over the limit");
        lock (_gate)
        {
            if (_end is not null || _sender is null)
                return;
            try
            {
                _sender.Send(head, payload, (int)length);
                AfterPump();
            }
            catch (ChannelException e)
            {
                End(e);
            }
        }
    }

    /// <inheritdoc/>
    public void Close(ChannelCloseReason reason, string detail)
    {
        lock (_gate)
            End(new ChannelException(reason, detail));
    }

    /// <summary>Ends the channel at once, whatever is still on its way.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            End(new ChannelException(ChannelCloseReason.NetworkFailure, "this node cut the connection"));
            if (_isLingering)
                _socket.Shutdown();
        }
    }

    /// <summary>The receiver's thread: connects, receives until the end, reports it, and gives everything back.</summary>
    /// <param name="connect">Dials or shakes hands; throws <see cref="ChannelException"/>.</param>
    /// <param name="requestHeaders">The request that a dialer opens the stream with; empty for the end that was dialled.</param>
    public void Run(Func<(IWire Wire, string? Peer)> connect, byte[] requestHeaders)
    {
        Http2Receiver? receiver = null;
        try
        {
            (IWire wire, AuthenticatedPeer) = connect();
            _receiver = receiver = new Http2Receiver(wire, this, BlockBufferPool.Shared);
            lock (_gate)
            {
                _sender = new Http2Sender(wire, BlockBufferPool.Shared, IsDialer);
                if (_end is null)
                    _sender.Open(requestHeaders);
            }

            receiver.Run();
        }
        catch (ChannelException e)
        {
            lock (_gate)
                End(e);
        }

        Report();
        // What the peer still sends must be read, or closing the socket would reset the connection under the end that it is about to read.
        if (!IsDialer && IsLingering())
            receiver?.Drain();
        receiver?.Release();
        lock (_gate)
        {
            // Nobody touches the descriptor from here on; CutAsync asks for this field under the gate.
            _isLingering = false;
            _sender?.Release();
            _sender = null;
            Volatile.Write(ref _queuedBytes, 0);
        }

        _socket.Close();
    }

    /// <summary>The dialled peer has shown that it speaks HTTP/2.</summary>
    protected virtual void OnOpened()
    {
    }

    /// <summary>The channel ended before it was open.</summary>
    protected virtual void OnNeverOpened(ChannelException end)
    {
    }

    /// <summary>Ends a channel that is not open yet.</summary>
    protected void CloseUnlessOpen(ChannelException end)
    {
        lock (_gate)
        {
            if (!_isOpen)
                End(end);
        }
    }

    /// <summary>Whether the channel is over; throws unless it ended in good order and only waits for the peer's end.</summary>
    private bool IsOver()
    {
        if (_end is null)
            return false;
        return _isLingering ? true : throw _end;
    }

    /// <summary>After every call of the sender: counts, and wakes the writer if the socket is full or the queue ran empty.</summary>
    private void AfterPump()
    {
        long queued = _sender!.QueuedBytes;
        if (queued == 0 && _queuedBytes != 0)
            _drainDue = true;
        Volatile.Write(ref _queuedBytes, queued);
        if (!_sender.IsSocketFull && !_drainDue)
            return;
        if (_writer is null)
        {
            _writer = new Thread(Write) { IsBackground = true, Name = "peer-writer" };
            _writer.Start();
        }

        Monitor.PulseAll(_gate);
    }

    private void Write()
    {
        while (true)
        {
            bool drained;
            lock (_gate)
            {
                while (_end is null && !(_drainDue && _handler is not null) && !_sender!.IsSocketFull)
                    Monitor.Wait(_gate);
                if (_end is not null)
                    return;
                drained = _drainDue && _handler is not null;
                _drainDue &= !drained;
            }

            if (drained)
            {
                _handler!.OnDrained(this);
                continue;
            }

            _socket.WaitWritable();
            lock (_gate)
            {
                if (_end is not null)
                    return;
                try
                {
                    _sender!.Pump();
                    AfterPump();
                }
                catch (ChannelException e)
                {
                    End(e);
                    return;
                }
            }
        }
    }

    /// <summary>Keeps the first reason and wakes everybody. With the gate held.</summary>
    private void End(ChannelException end)
    {
        if (_end is not null)
            return;
        // A dialer whose peer has ended the stream owes nothing more; a listener owes the trailers.
        bool isOrderly = end.Reason == ChannelCloseReason.Local || (end.Reason == ChannelCloseReason.PeerClosed && !IsDialer);
        if (!isOrderly || !_isOpen || !TrySendEnd())
        {
            _end = end;
            Volatile.Write(ref _queuedBytes, 0);
            Monitor.PulseAll(_gate);
            _socket.Shutdown();
            return;
        }

        Linger(end);
        if (!_inHandler && end.Reason == ChannelCloseReason.Local)
            ThreadPool.UnsafeQueueUserWorkItem(static channel => channel.Report(), this, preferLocal: false);
    }

    /// <summary>
    /// Everything is sent. The peer must get what was sent last, and a socket closed over unread bytes resets instead: it is read until the peer has ended
    /// its side too, but not for long. With the gate held.
    /// </summary>
    private void Linger(ChannelException end)
    {
        _end = end;
        Volatile.Write(ref _queuedBytes, 0);
        Monitor.PulseAll(_gate);
        _isLingering = true;
        _ = CutAsync();
    }

    private bool IsLingering()
    {
        lock (_gate)
            return _isLingering;
    }

    private bool TrySendEnd()
    {
        try
        {
            return _sender!.TryEnd();
        }
        catch (ChannelException)
        {
            // The connection broke in the moment in which this node closed it: closed is closed.
            return false;
        }
    }

    private async Task CutAsync()
    {
        await Task.Delay(LingerMs);
        lock (_gate)
        {
            if (_isLingering)
                _socket.Shutdown();
        }
    }

    /// <summary>Says how it ended, once: to the dialler, or to the handler.</summary>
    private void Report()
    {
        // Whoever comes second waits until the first has reported.
        lock (_openGate)
        {
            ChannelException end;
            Thread? writer;
            lock (_gate)
            {
                if (_reported)
                    return;
                _reported = true;
                end = _end!;
                writer = _writer;
            }

            if (writer != Thread.CurrentThread)
                writer?.Join();
            if (_isOpen)
                _handler!.OnClosed(this, end.Reason, end.Message);
            else
                OnNeverOpened(end);
        }
    }
}
