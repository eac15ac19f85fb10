using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc.Http2;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc;

/// <summary>
/// The client's end of a stream. One thread dials and then receives; senders write to the socket themselves, without blocking, under one
/// gate; what the kernel does not take is sent by a second thread, which exists only once that has happened.
/// </summary>
/// <remarks>
/// <code>
/// Dialing ──SETTINGS──► Open ──Close / error──► Closed: OnClosed
///    └── error: DialAsync fails, no OnClosed
/// </code>
/// </remarks>
internal sealed class DialedChannel : IPeerChannel
{
    // How long a stream that ended in good order may take to be read by the peer before the connection is cut.
    private const int LingerMs = 1000;

    private readonly Lock _openGate = new();
    private readonly object _gate;
    private readonly PeerSocket _socket;
    private readonly IPeerChannelHandler _handler;
    private readonly TaskCompletionSource<IPeerChannel> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Everything below is guarded by the gate.
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

    public DialedChannel(PeerSocket socket, object gate, string remoteAddress, IPeerChannelHandler handler)
    {
        _socket = socket;
        _gate = gate;
        RemoteAddress = remoteAddress;
        _handler = handler;
    }

    /// <inheritdoc/>
    public string? AuthenticatedPeer { get; private set; }

    /// <inheritdoc/>
    public bool IsDialer => true;

    /// <inheritdoc/>
    public string RemoteAddress { get; }

    /// <inheritdoc/>
    public long QueuedBytes => Volatile.Read(ref _queuedBytes);

    /// <inheritdoc/>
    public long LastReceivedMs => Volatile.Read(ref _lastReceivedMs);

    /// <summary>Done when the peer has shown that it speaks HTTP/2; fails with a <see cref="ChannelException"/>.</summary>
    public Task<IPeerChannel> Opened => _opened.Task;

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

    /// <summary>The receiver's thread: dials, receives until the end, reports it, and gives everything back.</summary>
    public void Run(Func<DialedChannel, (IWire Wire, string? Peer)> connect, byte[] headerBlock)
    {
        Http2Receiver? receiver = null;
        try
        {
            (IWire wire, AuthenticatedPeer) = connect(this);
            receiver = new Http2Receiver(wire, this, BlockBufferPool.Shared);
            lock (_gate)
            {
                _sender = new Http2Sender(wire, BlockBufferPool.Shared);
                if (_end is null)
                    _sender.Open(headerBlock);
            }

            receiver.Run();
        }
        catch (ChannelException e)
        {
            lock (_gate)
                End(e);
        }

        Report();
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

    /// <summary>The receiver got bytes.</summary>
    public void OnReceived() => Volatile.Write(ref _lastReceivedMs, Environment.TickCount64);

    /// <summary>The receiver has a message; ends the receiver when the channel is over.</summary>
    public void OnMessage(BlockBuffer message)
    {
        lock (_gate)
        {
            if (IsOver())
            {
                message.Release();
                return;
            }

            _inHandler = true;
        }

        _handler.OnMessage(this, message);
        lock (_gate)
        {
            _inHandler = false;
            if (!IsOver())
                return;
        }

        Report();
    }

    /// <summary>The peer's SETTINGS; the first ones open the channel.</summary>
    public void OnSettings(ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            if (IsOver())
                return;
            _sender!.ApplySettings(payload);
            AfterPump();
            if (_isOpen)
                return;
            _isOpen = true;
        }

        _opened.TrySetResult(this);
    }

    /// <summary>A PING to answer.</summary>
    public void OnPing(ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            if (IsOver())
                return;
            _sender!.AcknowledgePing(payload);
            AfterPump();
        }
    }

    /// <summary>More may be sent.</summary>
    public void OnWindow(int streamId, int increment)
    {
        lock (_gate)
        {
            if (IsOver())
                return;
            _sender!.AddWindow(streamId, increment);
            AfterPump();
        }
    }

    /// <summary>Received bytes were taken; the peer may send more.</summary>
    public void OnConsumed(int bytes)
    {
        lock (_gate)
        {
            if (IsOver())
                return;
            _sender!.Grant(bytes);
            AfterPump();
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
                while (_end is null && !_drainDue && !_sender!.IsSocketFull)
                    Monitor.Wait(_gate);
                if (_end is not null)
                    return;
                drained = _drainDue;
                _drainDue = false;
            }

            if (drained)
            {
                _handler.OnDrained(this);
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
        bool graceful = false;
        if (end.Reason == ChannelCloseReason.Local && _isOpen)
            graceful = TrySendEnd();
        _end = end;
        Volatile.Write(ref _queuedBytes, 0);
        Monitor.PulseAll(_gate);
        if (!graceful)
        {
            _socket.Shutdown();
            return;
        }

        // The peer must get what was sent last, and a socket closed over unread bytes resets instead: read until the peer has ended its
        // side too, but not for long.
        _isLingering = true;
        _ = CutAsync();
        if (!_inHandler)
            ThreadPool.UnsafeQueueUserWorkItem(static channel => channel.Report(), this, preferLocal: false);
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
            if (!_isOpen)
                _opened.TrySetException(end);
            else
                _handler.OnClosed(this, end.Reason, end.Message);
        }
    }
}
