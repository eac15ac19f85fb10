using System.Net.Sockets;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Nbd;

/// <summary>
/// One client on a blocking thread of its own: handshake, then receive, validate, submit a batch, send what was answered. Owns
/// the socket. The thread runs the export's code inline, so an idle system answers without a hand-off.
/// </summary>
internal sealed unsafe class NbdConnection : INbdClient
{
    /// <summary>Requests of one batch.</summary>
    public const int BatchRequestsMax = 128;

    /// <summary>A batch is submitted when it holds this much data, so that the first byte is on its way while the rest arrives.</summary>
    public const int BatchBytesMax = 4 << 20;

    private readonly NbdServer _server;
    private readonly Socket _socket;
    private readonly int _fd;
    private readonly NbdReplyQueue _replies;
    private readonly NbdRequest[] _batch = new NbdRequest[BatchRequestsMax];
    private readonly object _closeGate = new();
    private NbdReceiver _receiver = null!;
    // Null until the handshake has opened an export, and for ever when it does not.
    private NbdSession _session = null!;
    private INbdExport _export = null!;
    private NbdExportClient? _member;
    private string? _endReason;
    private bool _hasServed;
    private bool _isAborted;
    private bool _isClosed;
    private int _batchCount;
    private long _batchBytes;

    public NbdConnection(NbdServer server, Socket socket, string description)
    {
        _server = server;
        _socket = socket;
        _fd = (int)socket.SafeHandle.DangerousGetHandle(); // valid until Close, which runs last on the connection's thread
        Description = description;
        _replies = new NbdReplyQueue(_fd, server.Options, server.ReplyWriter, HangUp);
        Thread = new Thread(Run, 256 << 10) { IsBackground = true, Name = "nbd " + description };
    }

    /// <summary>What parsing stopped for.</summary>
    private enum Stop : byte
    {
        NeedBytes,
        NeedPermit,
        BatchFull,
        End,
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <summary>The connection's thread; the server starts and joins it.</summary>
    public Thread Thread { get; }

    /// <summary>Called last, on the connection's thread, when everything of it is done and the socket is closed.</summary>
    public Action<NbdConnection>? Ended { get; init; }

    /// <summary>Whether it counts towards <see cref="NbdServerOptions.ConnectionsMax"/>.</summary>
    public bool HasPlace { get; init; }

    /// <summary>What was agreed on; null before that.</summary>
    public NbdSession Session => Volatile.Read(ref _session);

    /// <summary>Whether <see cref="Ended"/> has been called, or is about to be.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Whether any request came.</summary>
    public bool HasServed => Volatile.Read(ref _hasServed);

    /// <summary>Why it ended; null while it has not.</summary>
    public string? EndReason => Volatile.Read(ref _endReason);

    /// <summary>
    /// There is no handshake: the client has been told everything by other means, simple replies and no contexts. Before the thread starts; and
    /// again when the export's size has changed, before the client is told of it.
    /// </summary>
    public void Take(INbdExport export) => Volatile.Write(ref _session, new NbdSession(
        export, NbdTransmissionFlags.HasFlags | (export.Info.Flags & ~NbdTransmissionFlags.SendDontFragment), StructuredReplies: false, BaseAllocation: false));

    /// <inheritdoc/>
    public void Abort(string reason)
    {
        End(reason);
        lock (_closeGate)
        {
            _isAborted = true;
            if (_member is not null)
                _member.Group.Kill(_member);
            // Only the receiving side: replies to what was submitted still go out.
            if (!_isClosed)
                _ = NbdNative.Shutdown(_fd, NbdNative.ShutRead);
        }
    }

    /// <summary>Ends the connection without sending anything further.</summary>
    public void HangUp(string reason)
    {
        Abort(reason);
        _replies.Break();
        lock (_closeGate)
        {
            if (!_isClosed)
                _ = NbdNative.Shutdown(_fd, NbdNative.ShutReadWrite);
        }
    }

    private void Run()
    {
        try
        {
            Serve();
        }
        catch (Exception bug) when (_server.Options.OnBug is { } onBug)
        {
            onBug(bug);
        }
    }

    private void Serve()
    {
        _receiver = new NbdReceiver(_fd);
        if (_session is not null)
        {
            ServeSession();
        }
        else
        {
            var negotiation = new NbdNegotiation(_server.Source, this);
            bool isReady = NbdHandshake.Run(_fd, _receiver, negotiation, _server.Options.NegotiationTimeout, out string reason);
            _session = negotiation.Session!;
            if (isReady)
                ServeSession();
            else
                End(reason);
        }

        _receiver.Release();
        // Before the hang-up: a client that has seen it may rely on the export being free, and ask for "secondary" at once.
        if (_session is not null)
            _server.Source.Closed(_session.Export, this);
        _server.GiveUpPlace(this);
        Close();
        if (_session is not null)
            NbdLog.Closed(_server.Logger, Description, _session.Info.Name, _endReason ?? "");
        else
            NbdLog.Refused(_server.Logger, Description, _endReason ?? "");

        _server.Forget(this);
        HasEnded = true;
        Ended?.Invoke(this);
    }

    private void ServeSession()
    {
        NbdSession session = _session;
        _export = session.Export;
        _replies.StructuredReplies = session.StructuredReplies;
        NbdExportClient member = _server.Directory.Join(session.Info.Name, _fd);
        lock (_closeGate)
        {
            _member = member;
            if (_isAborted)
                member.Group.Kill(member);
        }

        NbdLog.Opened(_server.Logger, Description, session.Info.Name, session.StructuredReplies);
        try
        {
            Transmit();
        }
        finally
        {
            _server.Directory.Leave(session.Info.Name, member);
        }

        // Whatever ended it, what was submitted is completed first, and answered as far as the client listens.
        _ = _replies.Drain(Timeout.InfiniteTimeSpan);
    }

    private void Transmit()
    {
        while (true)
        {
            Stop stop = Parse(out long bytesWanted);
            if (!SubmitBatch())
                return;
            bool allSent = _replies.TrySend();
            if (stop == Stop.End || _replies.IsBroken)
                return;
            if (stop == Stop.NeedPermit && !_replies.WaitForPermit(bytesWanted))
                return;
            if (stop == Stop.NeedBytes && !ReceiveMore(allSent))
                return;
        }
    }

    /// <summary>Turns received bytes into a batch; answers what needs no export.</summary>
    private Stop Parse(out long bytesWanted)
    {
        bytesWanted = 0;
        while (_batchCount < BatchRequestsMax && _batchBytes < BatchBytesMax)
        {
            if (_receiver.Available < NbdWire.RequestBytes)
                return Stop.NeedBytes;
            if (!NbdRequestHeader.TryParse(_receiver.Unread, out NbdRequestHeader header))
                return End("wrong magic of a request");
            if (header.Command == NbdCommand.Disconnect)
                return End("the client disconnected");
            NbdError error = NbdRequestValidator.Validate(header, Volatile.Read(ref _session));
            bool hasData = error == NbdError.Ok && header.Command is NbdCommand.Read or NbdCommand.Write;
            bytesWanted = hasData ? header.Length : 0;
            if (!_replies.TryBegin(header, bytesWanted, out NbdPendingRequest request))
                return Stop.NeedPermit;
            _receiver.Consume(NbdWire.RequestBytes);
            if (error != NbdError.Ok)
            {
                if (!DropPayload(request, header.PayloadBytes))
                    return Stop.End;
                _replies.Complete(request, error);
            }
            else if (header.Command == NbdCommand.Cache || (header.Length == 0 && header.Command != NbdCommand.Flush))
            {
                _replies.Complete(request, NbdError.Ok); // advice, or no effect
            }
            else
            {
                if (header.Command == NbdCommand.Read)
                    request.Buffer = BlockBufferPool.Shared.Rent((int)header.Length, BufferPurpose.NbdRead);
                else if (header.Command == NbdCommand.Write && !ReceivePayload(request, (int)header.Length))
                    return Stop.End;
                _batch[_batchCount++] = request;
                _batchBytes += bytesWanted;
            }
        }

        return Stop.BatchFull;
    }

    private bool ReceivePayload(NbdPendingRequest request, int length)
    {
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(length, BufferPurpose.NbdWrite);
        request.Buffer = buffer;
        if (length > _receiver.Available && !SubmitBeforeBlocking())
        {
            _replies.Cancel(request);
            return false;
        }

        NbdReceived received = _receiver.Take(buffer.Pointer, length);
        return received == NbdReceived.Bytes || CancelTorn(request, received);
    }

    private bool DropPayload(NbdPendingRequest request, uint length)
    {
        if (length == 0)
            return true;
        if (length > NbdLimits.DrainedPayloadBytesMax)
        {
            _replies.Cancel(request);
            End($"a refused write of {length} bytes");
            return false;
        }

        if (length > _receiver.Available && !SubmitBeforeBlocking())
        {
            _replies.Cancel(request);
            return false;
        }

        NbdReceived received = _receiver.Take(null, (int)length);
        return received == NbdReceived.Bytes || CancelTorn(request, received);
    }

    private bool CancelTorn(NbdPendingRequest request, NbdReceived received)
    {
        _replies.Cancel(request);
        End(received == NbdReceived.End
            ? "the client closed the connection within a request"
            : "the client stopped within a request");
        return false;
    }

    // The rest of a payload may take its time; what came before it must not wait for it.
    private bool SubmitBeforeBlocking()
    {
        if (_batchCount > 0 && !SubmitBatch())
            return false;
        _replies.Flush();
        return true;
    }

    private bool SubmitBatch()
    {
        int count = _batchCount;
        if (count == 0)
            return true;
        _batchCount = 0;
        _batchBytes = 0;
        _hasServed = true;
        if (_replies.HasUnsent)
            _replies.Flush(); // Submit may block: somebody else must take care of what waits
        if (!_member!.Group.TryBeginSubmit(_member))
        {
            for (int i = 0; i < count; i++)
                _replies.Cancel((NbdPendingRequest)_batch[i]);
            End("the client closed the connection and went on with another");
            return false;
        }

        try
        {
            _export.Submit(_batch.AsSpan(0, count));
        }
        finally
        {
            _member.Group.EndSubmit(_member);
        }

        return true;
    }

    private bool ReceiveMore(bool allSent)
    {
        while (true)
        {
            if (!allSent && !WaitWhileSending())
                return false;
            NbdReceived received = _receiver.Fill();
            if (received == NbdReceived.Bytes)
                return true;
            bool isWithinRequest = _receiver.Available > 0;
            if (received == NbdReceived.End)
            {
                End(isWithinRequest ? "the client closed the connection within a request" : "the client closed the connection");
                return false;
            }

            if (isWithinRequest)
            {
                End("the client stopped within a request");
                return false;
            }

            allSent = true; // idle for ever is fine
        }
    }

    /// <summary>Sends queued replies as the socket takes them, until there are requests to receive. False: hang up.</summary>
    private bool WaitWhileSending()
    {
        while (_replies.HasUnsent)
        {
            var entry = new NbdNative.PollEntry { Fd = _fd, Events = NbdNative.PollIn | NbdNative.PollOut };
            _ = NbdNative.Poll(&entry, 1, 500);
            if ((entry.Returned & ~(NbdNative.PollIn | NbdNative.PollOut)) != 0)
                return !_replies.IsBroken; // let the receive tell the end
            if ((entry.Returned & NbdNative.PollOut) != 0)
                _ = _replies.TrySend();
            if (_replies.IsBroken)
                return false;
            if (_server.ReplyWriter.IsStalled(_replies))
            {
                _replies.ReportStall();
                return false;
            }

            if ((entry.Returned & NbdNative.PollIn) != 0)
            {
                if (_replies.HasUnsent)
                    _replies.Flush();
                return true;
            }
        }

        return true;
    }

    private Stop End(string reason)
    {
        _ = Interlocked.CompareExchange(ref _endReason, reason, null);
        return Stop.End;
    }

    private void Close()
    {
        _server.ReplyWriter.Remove(_replies);
        lock (_closeGate)
            _isClosed = true;
        _socket.Dispose();
    }
}
