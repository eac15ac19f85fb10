using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Runtime.ExceptionServices;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc.Wire;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace BlockRepl.Rpc;

/// <summary>
/// The server's end of a stream, on Kestrel. Messages go into the response's pipe as long as Kestrel takes them at once; when it
/// does not, they wait here by reference, and whoever completes the flush goes on.
/// </summary>
internal sealed class AcceptedChannel : IPeerChannel
{
    // Copied into Kestrel's pipe before it is asked whether it wants more, so that a queue is not held twice.
    private const int BatchBytes = 512 << 10;

    private readonly HttpContext _context;
    private readonly PipeReader _input;
    private readonly PipeWriter _output;
    private readonly MessageAssembler _assembler = new(BlockBufferPool.Shared);
    private readonly SegmentQueue _queue = new();
    private readonly SendArena _arena = new(BlockBufferPool.Shared);
    private readonly object _gate = new();
    private readonly TaskCompletionSource _flushIdle = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Set once, before anything is received.
    private IPeerChannelHandler? _handler;

    // Guarded by the gate.
    private ChannelException? _end;
    private Task _ending = Task.CompletedTask;
    private bool _isFlushing;
    private long _inFlush;

    private long _queuedBytes;
    private long _lastReceivedMs = Environment.TickCount64;

    public AcceptedChannel(HttpContext context, string remoteAddress, string? node)
    {
        _context = context;
        _input = context.Request.BodyReader;
        _output = context.Response.BodyWriter;
        RemoteAddress = remoteAddress;
        AuthenticatedPeer = node;
    }

    /// <inheritdoc/>
    public string? AuthenticatedPeer { get; }

    /// <inheritdoc/>
    public bool IsDialer => false;

    /// <inheritdoc/>
    public string RemoteAddress { get; }

    /// <inheritdoc/>
    public long QueuedBytes => Volatile.Read(ref _queuedBytes);

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
            if (_end is not null)
                return;
            Span<byte> start = _arena.Append(_queue, MessageAssembler.PrefixBytes + head.Length);
            start[0] = 0;
            BinaryPrimitives.WriteInt32BigEndian(start[1..], (int)length);
            head.CopyTo(start[MessageAssembler.PrefixBytes..]);
            foreach (ref readonly PayloadSegment segment in payload)
            {
                if (segment.Length > 0)
                    _queue.Add(segment.Buffer.AddReference(), segment.Offset, segment.Length);
            }

            Pump();
        }
    }

    /// <inheritdoc/>
    public void Close(ChannelCloseReason reason, string detail) => End(new ChannelException(reason, detail));

    /// <summary>Receives until the end; on a thread-pool thread whenever something came.</summary>
    public async Task RunAsync(IPeerAcceptor acceptor)
    {
        using CancellationTokenRegistration aborted = _context.RequestAborted.UnsafeRegister(
            static state => ((AcceptedChannel)state!).End(
                new ChannelException(ChannelCloseReason.NetworkFailure, "the peer broke the connection or reset the stream")),
            this);
        try
        {
            _handler = acceptor.OnAccepted(this);
            await ReceiveAsync();
        }
        catch (ChannelException e)
        {
            End(e);
        }
        catch (Exception e) when (IsConnectionLoss(e))
        {
            End(new ChannelException(ChannelCloseReason.NetworkFailure, $"the peer broke the connection: {e.Message}"));
        }
        catch (Exception e)
        {
            Crash(e);
            End(new ChannelException(ChannelCloseReason.Local, "a bug"));
        }

        await FinishAsync();
    }

    private async Task ReceiveAsync()
    {
        while (true)
        {
            ReadResult result = await _input.ReadAsync();
            Volatile.Write(ref _lastReceivedMs, Environment.TickCount64);
            Deliver(result.Buffer);
            _input.AdvanceTo(result.Buffer.End);
            lock (_gate)
            {
                if (_end is not null)
                    return;
            }

            if (result.IsCompleted)
            {
                throw _assembler.IsBetweenMessages
                    ? new ChannelException(ChannelCloseReason.PeerClosed, "the peer ended the stream")
                    : new ChannelException(ChannelCloseReason.ProtocolError, "the peer ended the stream inside a message");
            }
        }
    }

    private void Deliver(ReadOnlySequence<byte> buffer)
    {
        foreach (ReadOnlyMemory<byte> memory in buffer)
        {
            ReadOnlySpan<byte> data = memory.Span;
            while (data.Length > 0)
            {
                BlockBuffer? message = _assembler.Feed(ref data);
                if (message is null)
                    continue;
                lock (_gate)
                {
                    if (_end is not null)
                    {
                        message.Release();
                        return;
                    }
                }

                _handler!.OnMessage(this, message);
            }
        }
    }

    /// <summary>Feeds Kestrel's pipe until it does not take more at once. With the gate held.</summary>
    private void Pump()
    {
        while (!_isFlushing && _queue.Bytes > 0)
        {
            long batch = 0;
            while (batch < BatchBytes && _queue.Count > 0)
            {
                OutSegment segment = _queue[0];
                int part = (int)Math.Min(segment.Length, BatchBytes - batch);
                _output.Write(segment.Buffer.Span.Slice(segment.Offset, part));
                _queue.Consume(part);
                batch += part;
            }

            if (_queue.Count == 0)
                _arena.Rewind();
            _inFlush = batch;
            ValueTask<FlushResult> flush = _output.FlushAsync();
            if (!flush.IsCompletedSuccessfully)
            {
                _isFlushing = true;
                _ = GoOnAfterAsync(flush);
                break;
            }

            // Gives the pipe its awaiter back; it is complete, so nothing waits, which the analyzer cannot see for a ValueTask.
#pragma warning disable VSTHRD002
            _ = flush.Result;
#pragma warning restore VSTHRD002
            _inFlush = 0;
        }

        Volatile.Write(ref _queuedBytes, _queue.Bytes + _inFlush);
    }

    private async Task GoOnAfterAsync(ValueTask<FlushResult> flush)
    {
        ChannelException? failure = null;
        try
        {
            await flush;
        }
        catch (Exception e) when (IsConnectionLoss(e))
        {
            failure = new ChannelException(ChannelCloseReason.NetworkFailure, $"send failed: {e.Message}");
        }

        // The flush may have been over before it was awaited; the sender that started it still holds the gate then.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        bool drained;
        lock (_gate)
        {
            _isFlushing = false;
            _inFlush = 0;
            if (failure is not null)
                EndLocked(failure);
            if (_end is not null)
            {
                _flushIdle.TrySetResult();
                return;
            }

            Pump();
            drained = _queuedBytes == 0;
        }

        if (!drained)
            return;
        try
        {
            _handler!.OnDrained(this);
        }
        catch (Exception e)
        {
            Crash(e);
        }
    }

    private void End(ChannelException end)
    {
        lock (_gate)
            EndLocked(end);
    }

    private void EndLocked(ChannelException end)
    {
        if (_end is not null)
            return;
        _end = end;
        bool graceful = end.Reason is ChannelCloseReason.Local or ChannelCloseReason.PeerClosed && _queue.Bytes == 0 && !_isFlushing;
        _queue.Clear();
        _arena.Rewind();
        Volatile.Write(ref _queuedBytes, 0);
        if (!_isFlushing)
            _flushIdle.TrySetResult();
        // Outside the gate: both run other people's code. FinishAsync waits for it, because the request must still be there.
        _ending = Task.Run(() =>
        {
            if (!graceful)
                _context.Features.Get<IConnectionLifetimeFeature>()?.Abort();
            try
            {
                _input.CancelPendingRead();
            }
            catch (Exception e) when (IsConnectionLoss(e))
            {
                // Kestrel aborted the request already, and with it the read.
            }
        });
    }

    private async Task FinishAsync()
    {
        ChannelException end = _end!;
        // The pipe must not be completed under a running flush; aborting the connection ends that one.
        await _flushIdle.Task;
        await _ending;
        lock (_gate)
        {
            _assembler.Release();
            _arena.Release();
        }

        if (end.Reason is ChannelCloseReason.Local or ChannelCloseReason.PeerClosed && _context.Response.SupportsTrailers())
            _context.Response.AppendTrailer("grpc-status", "0");
        if (_handler is not null)
        {
            try
            {
                _handler.OnClosed(this, end.Reason, end.Message);
            }
            catch (Exception e)
            {
                Crash(e);
            }
        }
    }

    private static bool IsConnectionLoss(Exception e) =>
        e is IOException or OperationCanceledException or ConnectionAbortedException;

    /// <summary>A bug must end the process with its own message; Kestrel would only log it and go on.</summary>
    private static void Crash(Exception e)
    {
        ExceptionDispatchInfo info = ExceptionDispatchInfo.Capture(e);
        new Thread(info.Throw) { Name = "bug" }.Start();
    }
}
