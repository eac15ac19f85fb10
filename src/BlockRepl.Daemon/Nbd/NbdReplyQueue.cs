using System.Runtime.InteropServices;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Nbd;

/// <summary>
/// The requests in flight of one connection and the replies on their way out. Owns the pooled requests, the permits (count and
/// bytes, held until the reply's last byte is sent) and the order of replies. One thread sends at a time, without ever blocking;
/// a second that comes meanwhile leaves its replies to the first.
/// </summary>
/// <remarks>
/// Lock: <c>_gate</c>, a leaf, held for a few instructions and never across a system call. After EAGAIN somebody is always
/// responsible for the rest: the connection's thread for its own sends (it polls before it blocks, or hands over), the
/// <see cref="NbdReplyWriter"/> for everybody else's.
/// </remarks>
internal sealed unsafe class NbdReplyQueue : INbdReplySink
{
    private const int VectorsMax = 128;

    private readonly object _gate = new();
    private readonly int _fd;
    private readonly NbdReplyWriter _writer;
    private readonly Action<string> _onStalled;
    private readonly long _bytesMax;
    private readonly byte[] _heads;
    private readonly NbdPendingRequest[] _free;
    private readonly NbdPendingRequest[] _ring;
    private readonly NbdNative.IoVector[] _vectors = GC.AllocateArray<NbdNative.IoVector>(VectorsMax, pinned: true);
    private int _created;
    private int _freeCount;
    private int _head;
    private int _queued;
    private int _headSent;
    private int _outstanding;
    private int _waiters;
    private long _inFlightBytes;
    private long _stuckSinceMs;
    private bool _sending;
    private bool _broken;

    /// <param name="fd">The socket; must stay open until <see cref="Drain"/> has returned.</param>
    /// <param name="options">Limits.</param>
    /// <param name="writer">Sends what could not be sent at once.</param>
    /// <param name="onStalled">Called when the client has not read for too long.</param>
    public NbdReplyQueue(int fd, NbdServerOptions options, NbdReplyWriter writer, Action<string> onStalled)
    {
        _fd = fd;
        _writer = writer;
        _onStalled = onStalled;
        _bytesMax = options.InFlightBytesMax;
        _free = new NbdPendingRequest[options.InFlightRequestsMax];
        _ring = new NbdPendingRequest[options.InFlightRequestsMax];
        _heads = GC.AllocateArray<byte>(options.InFlightRequestsMax * NbdWire.ReplyHeadBytesMax, pinned: true);
    }

    /// <summary>Set before the first request.</summary>
    public bool StructuredReplies { get; set; }

    /// <summary>The socket, for poll.</summary>
    public int Fd => _fd;

    /// <inheritdoc/>
    public bool HasMore
    {
        get
        {
            var entry = new NbdNative.PollEntry { Fd = _fd, Events = NbdNative.PollIn };
            return NbdNative.Poll(&entry, 1, 0) > 0 && (entry.Returned & NbdNative.PollIn) != 0;
        }
    }

    /// <summary>Whether replies wait for the socket (or for a Flush).</summary>
    public bool HasUnsent => Volatile.Read(ref _queued) > 0;

    /// <summary>Whether nothing can be sent any more.</summary>
    public bool IsBroken => Volatile.Read(ref _broken);

    /// <summary>Monotonic milliseconds since when the client has taken no byte; 0 while it does.</summary>
    public long StuckSinceMs => Volatile.Read(ref _stuckSinceMs);

    /// <summary>Owned by <see cref="NbdReplyWriter"/> under its lock.</summary>
    public bool IsRegistered { get; set; }

    /// <summary>Requests between receive and the last byte of their reply.</summary>
    public int Outstanding => Volatile.Read(ref _outstanding);

    /// <summary>Starts a request if the budget allows.</summary>
    public bool TryBegin(in NbdRequestHeader header, long bytes, out NbdPendingRequest request)
    {
        lock (_gate)
        {
            if (!HasPermit(bytes))
            {
                request = null!;
                return false;
            }

            if (_freeCount > 0)
                request = _free[--_freeCount];
            else
                request = new NbdPendingRequest((byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_heads, _created++ * NbdWire.ReplyHeadBytesMax));
            _outstanding++;
            _inFlightBytes += bytes;
        }

        request.Begin(header, this);
        request.PermitBytes = bytes;
        request.IsOpen = true;
        return true;
    }

    /// <summary>Gives a request back that was never submitted and gets no reply.</summary>
    public void Cancel(NbdPendingRequest request)
    {
        request.Buffer?.Release();
        request.Buffer = null;
        request.IsOpen = false;
        lock (_gate)
            Recycle(request);
    }

    /// <inheritdoc/>
    public void Complete(NbdRequest request, NbdError error)
    {
        var pending = (NbdPendingRequest)request;
        Check.That(pending.IsOpen, "a request was completed twice");
        pending.IsOpen = false;
        bool hasData = error == NbdError.Ok && pending.Buffer is not null && pending.Command == NbdCommand.Read;
        if (!hasData)
            pending.Buffer?.Release();
        pending.Data = hasData ? pending.Buffer : null;
        pending.DataBytes = hasData ? (int)pending.Length : 0;
        pending.Buffer = null;
        if (error == NbdError.Ok && pending.Command == NbdCommand.BlockStatus)
            AttachExtents(pending);
        pending.HeadBytes = NbdReplyHead.Encode(
            new Span<byte>(pending.Head, NbdWire.ReplyHeadBytesMax), pending.Header, error, pending.DataBytes, StructuredReplies);
        lock (_gate)
        {
            if (!hasData)
                ReturnBytes(pending);
            if (_broken)
            {
                pending.Data?.Release();
                pending.Data = null;
                Recycle(pending);
                return;
            }

            int tail = _head + _queued;
            _ring[tail < _ring.Length ? tail : tail - _ring.Length] = pending;
            Volatile.Write(ref _queued, _queued + 1);
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (HasUnsent && !TrySend())
            _writer.Register(this);
    }

    /// <summary>As <see cref="Flush"/>, for a caller that takes care of the rest itself: false when the socket is full.</summary>
    public bool TrySend()
    {
        int vectorCount;
        lock (_gate)
        {
            if (_sending || _queued == 0)
                return true;
            _sending = true;
            vectorCount = FillVectors();
        }

        while (true)
        {
            nint sent;
            fixed (NbdNative.IoVector* vectors = _vectors)
            {
                var message = new NbdNative.MessageHeader { Vectors = vectors, VectorCount = vectorCount };
                sent = NbdNative.SendMessage(_fd, &message, NbdNative.MsgDontWait | NbdNative.MsgNoSignal);
            }

            int errno = sent < 0 ? NbdNative.Errno : 0;
            if (errno == NbdNative.Eintr)
                continue;
            lock (_gate)
            {
                if (sent > 0)
                {
                    _stuckSinceMs = 0;
                    Advance(sent);
                }
                else if (errno == NbdNative.Eagain)
                {
                    if (_stuckSinceMs == 0)
                        _stuckSinceMs = Environment.TickCount64;
                }
                else
                {
                    _broken = true;
                }

                bool isOver = _broken || _queued == 0;
                if (isOver || errno != 0)
                {
                    _sending = false;
                    if (_broken)
                        DropQueue();
                    WakeWaiters();
                    return isOver;
                }

                vectorCount = FillVectors();
            }
        }
    }

    /// <summary>Gives up sending: what is queued, and what is completed later, is dropped.</summary>
    public void Break()
    {
        lock (_gate)
        {
            _broken = true;
            if (!_sending) // else the sender drops the queue: it is reading from these buffers
                DropQueue();
            WakeWaiters();
        }
    }

    /// <summary>Waits until a request of that size may begin; false when the connection is broken meanwhile.</summary>
    public bool WaitForPermit(long bytes)
    {
        Flush();
        lock (_gate)
        {
            while (!_broken && !HasPermit(bytes))
                Wait(Timeout.Infinite);
            return !_broken;
        }
    }

    /// <summary>
    /// Waits until every request is answered, and nobody sends any more. False after <paramref name="timeout"/>, with
    /// requests still at the export.
    /// </summary>
    public bool Drain(TimeSpan timeout)
    {
        Flush();
        long end = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        lock (_gate)
        {
            while (_outstanding > 0 || _sending)
            {
                long left = end - Environment.TickCount64;
                if (left <= 0)
                    return false;
                Wait((int)Math.Min(left, int.MaxValue));
            }
        }

        return true;
    }

    /// <summary>Tells the connection that its client does not read.</summary>
    public void ReportStall() => _onStalled("the client does not read its replies");

    private static void AttachExtents(NbdPendingRequest request)
    {
        ReadOnlySpan<byte> extents = request.EncodedExtents;
        Check.That(extents.Length > 0, "a block status was completed without an extent");
        request.Data = BlockBufferPool.Shared.Rent(extents.Length, BufferPurpose.NbdRead);
        request.DataBytes = extents.Length;
        extents.CopyTo(request.Data.Span);
    }

    private bool HasPermit(long bytes) =>
        _outstanding < _ring.Length && (_inFlightBytes == 0 || _inFlightBytes + bytes <= _bytesMax);

    private int FillVectors()
    {
        int count = 0;
        int skip = _headSent;
        for (int i = 0; i < _queued && count + 2 <= VectorsMax; i++)
        {
            int at = _head + i;
            NbdPendingRequest reply = _ring[at < _ring.Length ? at : at - _ring.Length];
            if (skip < reply.HeadBytes)
                _vectors[count++] = new NbdNative.IoVector { Base = reply.Head + skip, Length = reply.HeadBytes - skip };
            int dataSkip = Math.Max(0, skip - reply.HeadBytes);
            if (reply.DataBytes > 0)
                _vectors[count++] = new NbdNative.IoVector { Base = reply.Data!.Pointer + dataSkip, Length = reply.DataBytes - dataSkip };
            skip = 0;
        }

        return count;
    }

    private void Advance(nint sent)
    {
        long left = sent + _headSent;
        while (_queued > 0)
        {
            NbdPendingRequest reply = _ring[_head];
            long total = reply.HeadBytes + reply.DataBytes;
            if (left < total)
                break;
            left -= total;
            RemoveHead();
        }

        _headSent = (int)left;
        WakeWaiters();
    }

    private void DropQueue()
    {
        while (_queued > 0)
            RemoveHead();
        _headSent = 0;
    }

    private void RemoveHead()
    {
        NbdPendingRequest reply = _ring[_head];
        _head = _head + 1 == _ring.Length ? 0 : _head + 1;
        Volatile.Write(ref _queued, _queued - 1);
        reply.Data?.Release();
        reply.Data = null;
        Recycle(reply);
    }

    private void Recycle(NbdPendingRequest request)
    {
        ReturnBytes(request);
        _free[_freeCount++] = request;
        _outstanding--;
        WakeWaiters();
    }

    private void ReturnBytes(NbdPendingRequest request)
    {
        _inFlightBytes -= request.PermitBytes;
        request.PermitBytes = 0;
        WakeWaiters();
    }

    private void Wait(int milliseconds)
    {
        _waiters++;
        Monitor.Wait(_gate, milliseconds);
        _waiters--;
    }

    private void WakeWaiters()
    {
        if (_waiters > 0)
            Monitor.PulseAll(_gate);
    }
}
