using BlockRepl.Primitives;

namespace BlockRepl.Rpc;

/// <content>What <see cref="Http2.Http2Receiver"/> calls, on the channel's receiver thread.</content>
internal abstract partial class StreamChannel
{
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

        _handler!.OnMessage(this, message);
        lock (_gate)
        {
            _inHandler = false;
            if (!IsOver())
                return;
        }

        Report();
    }

    /// <summary>An accepted channel's peer asks for a stream.</summary>
    public abstract void OnRequest(List<(string Name, string Value)> headers, int streamId);

    /// <summary>The peer's SETTINGS; for a dialer the first ones open the channel.</summary>
    public void OnSettings(ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            if (IsOver())
                return;
            _sender!.ApplySettings(payload);
            AfterPump();
            if (_isOpen || !IsDialer)
                return;
            _isOpen = true;
        }

        OnOpened();
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

    /// <summary>Answers a request: with it the channel is open, and what comes in is the handler's that <paramref name="accept"/> names.</summary>
    protected void Opens(int streamId, Func<IPeerChannelHandler> accept)
    {
        lock (_gate)
        {
            if (IsOver())
                return;
            _sender!.AcceptRequest(streamId);
            AfterPump();
            _isOpen = true;
            _inHandler = true;
        }

        IPeerChannelHandler handler = accept();
        lock (_gate)
        {
            _handler = handler;
            _inHandler = false;
            Monitor.PulseAll(_gate);
            if (!IsOver())
                return;
        }

        Report();
    }

    /// <summary>Answers a request that is not for the stream, and ends the connection in good order.</summary>
    protected void Refuses(int streamId, string why)
    {
        lock (_gate)
        {
            if (IsOver())
                return;
            _sender!.RefuseRequest(streamId);
            Linger(new ChannelException(ChannelCloseReason.ProtocolError, why));
        }
    }
}
