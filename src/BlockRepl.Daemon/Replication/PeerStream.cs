using BlockRepl.Core;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Receives one channel: turns frames into events. On the dialled side the resource is known from the start; on the accepted side the first Hello names it. A
/// damaged frame ends the connection and changes nothing (G10).
/// </summary>
internal sealed class PeerStream : IPeerChannelHandler
{
    // Well below the time after which a silent peer counts as lost: one frame is taken in so often, whatever the disk does.
    private const long DiskWaitMs = 1_000;

    private readonly Lock _lock = new();
    private readonly Func<IPeerChannel, HelloMessage, (ResourceRuntime Runtime, PeerId Peer)?> _find;
    private readonly Action<string> _onClosed;
    private ResourceRuntime? _runtime;
    private PeerLink? _link;
    private PeerId _peer;

    /// <summary>A stream that this node dialled.</summary>
    public PeerStream(ResourceRuntime runtime, PeerId peer, Action<string> onClosed)
    {
        _runtime = runtime;
        _peer = peer;
        _onClosed = onClosed;
        _find = (_, _) => null;
    }

    /// <summary>A stream that a peer opened.</summary>
    public PeerStream(Func<IPeerChannel, HelloMessage, (ResourceRuntime Runtime, PeerId Peer)?> find)
    {
        _find = find;
        _onClosed = _ => { };
    }

    /// <summary>The dialled channel is there; its first message may have come before.</summary>
    public void Opened(IPeerChannel channel)
    {
        lock (_lock)
            _link ??= _runtime!.LinkUp(_peer, channel);
    }

    /// <inheritdoc/>
    public void OnMessage(IPeerChannel channel, BlockBuffer message)
    {
        try
        {
            if (_link is null && !TryBind(channel, message.Span))
                return;
            Receive(channel, message);
        }
        finally
        {
            message.Release();
        }
    }

    /// <inheritdoc/>
    public void OnDrained(IPeerChannel channel)
    {
        if (_link is not { } link)
            return;
        link.NoteDrained();
        link.Drain();
    }

    /// <inheritdoc/>
    public void OnClosed(IPeerChannel channel, ChannelCloseReason reason, string detail)
    {
        if (_link is { } link)
        {
            link.NoteDrained();
            _runtime!.Post(new CoreEvent
            {
                Kind = CoreEventKind.LinkDown,
                NowMs = ResourceRuntime.NowMs,
                Peer = _peer,
                Link = link.Id,
                State = StateFor(reason),
                Subject = detail,
            });
        }

        _onClosed(detail);
    }

    private static ConnectionState StateFor(ChannelCloseReason reason) => reason switch
    {
        ChannelCloseReason.PeerClosed => ConnectionState.BrokenPipe,
        ChannelCloseReason.ProtocolError => ConnectionState.ProtocolError,
        ChannelCloseReason.Timeout => ConnectionState.Timeout,
        ChannelCloseReason.Local => ConnectionState.TearDown,
        _ => ConnectionState.NetworkFailure,
    };

    private bool TryBind(IPeerChannel channel, ReadOnlySpan<byte> first)
    {
        if (_runtime is not null)
        {
            Opened(channel);
            return true;
        }

        if (!PeerMessageCodec.TryDecode(first, out PeerMessage message, out FrameError error) || message is not HelloMessage hello)
        {
            channel.Close(ChannelCloseReason.ProtocolError, $"the first frame is no Hello: {error}");
            return false;
        }

        if (_find(channel, hello) is not { } found)
            return false;
        (_runtime, _peer) = found;
        Opened(channel);
        return true;
    }

    private void Receive(IPeerChannel channel, BlockBuffer message)
    {
        ReadOnlySpan<byte> frame = message.Span;
        string? wrong = PeerMessageCodec.PeekKind(frame) switch
        {
            FrameKind.Changes => ReceiveChanges(channel, message),
            FrameKind.ResyncData => ReceiveResyncData(message),
            FrameKind.ReadReply => ReceiveReadReply(message),
            FrameKind.Ack => ReceiveAck(frame),
            FrameKind.Ignorable => PeerMessageCodec.TryIgnore(frame, out FrameError error) ? null : Describe(error),
            _ => ReceiveMessage(frame),
        };
        if (wrong is not null)
            channel.Close(ChannelCloseReason.ProtocolError, wrong);
    }

    private string? ReceiveChanges(IPeerChannel channel, BlockBuffer message)
    {
        if (!ChangesFrameReader.TryRead(message.Span, out ChangesFrameReader reader, out FrameError error))
            return Describe(error);
        if (!reader.VerifyCrc())
            return Mismatch("a Changes frame's CRC-32C does not fit its data");
        BlockBuffer? data = Expand(message, reader.Compression, reader.DataOffset, reader.DataLength, reader.RawLength, out int at);
        if (data is null)
            return "a Changes frame's data cannot be decompressed";

        SequenceNumber sequence = reader.FirstSequence;
        bool moreComes = reader.Count == 1 && _runtime!.Volumes.HasQueueAtRest && channel.HasMore;
        Carrier carrier = _runtime!.BeginBatch();
        carrier.MoreComes = moreComes;
        foreach (ChangeHeader header in reader)
        {
            // A flush on this thread costs no hand-over, but what has come behind it waits; given to the flusher, one flush serves all that come meanwhile.
            if (header.Kind == ChangeKind.Flush)
                carrier.FlushesInline = reader.Count <= 2 && !channel.HasMore;
            _runtime.ApplyInBatch(
                new CoreEvent
                {
                    Kind = CoreEventKind.PeerChange,
                    NowMs = ResourceRuntime.NowMs,
                    Peer = _peer,
                    Link = _link!.Id,
                    Sequence = sequence,
                    Header = header,
                    Subject = header.Kind == ChangeKind.Write ? data : null,
                    Offset = at,
                },
                carrier);
            at += (int)header.PayloadLength;
            sequence = sequence.Next;
        }

        bool isFull = _runtime.IsFull(_peer);
        _runtime.EndBatch(carrier);
        data.Release();
        if (isFull)
            AwaitDisk(_link!);
        return null;
    }

    // Where the disk has threads or a queue of its own, nothing else keeps this thread from taking in what the disk cannot: with protocols A and B all that the link brings. What comes waits in
    // the peer's queue now, which holds its writers up (G12). Not for long at a time: behind a disk that stands still the peer, its end and its requests are heard all the same, only later.
    private void AwaitDisk(PeerLink link)
    {
        long end = ResourceRuntime.NowMs + DiskWaitMs;
        while (_runtime!.FindLink(_peer, link.Id) is not null && ResourceRuntime.NowMs < end)
        {
            link.Applied.Reset();
            if (!_runtime.IsFull(_peer))
                return;

            // Changes may be done out of their order, and are acknowledged in it: nobody signals those.
            link.Applied.Wait(10);
        }
    }

    private string? ReceiveResyncData(BlockBuffer message)
    {
        if (!ResyncDataFrameReader.TryRead(message.Span, out ResyncDataFrameReader reader, out FrameError error))
            return Describe(error);
        if (!reader.VerifyCrc())
            return Mismatch("a ResyncData frame's CRC-32C does not fit its data");
        BlockBuffer? data = Expand(message, reader.Compression, reader.DataOffset, reader.DataLength, reader.RawLength, out int at);
        if (data is null)
            return "a ResyncData frame's data cannot be decompressed";
        _runtime!.Post(new CoreEvent
        {
            Kind = CoreEventKind.ResyncData,
            NowMs = ResourceRuntime.NowMs,
            Peer = _peer,
            Link = _link!.Id,
            Header = new ChangeHeader(
                reader.Zeroes ? ChangeKind.Zeroes : ChangeKind.Write, reader.Volume, reader.Range.Offset, reader.Range.Length, ChangeFlags.None),
            Subject = reader.Zeroes ? null : data,
            Offset = at,
            Applied = reader.Position,
        });
        data.Release();
        return null;
    }

    private string? ReceiveReadReply(BlockBuffer message)
    {
        if (!ReadReplyFrameReader.TryRead(message.Span, out ReadReplyFrameReader reader, out FrameError error))
            return Describe(error);
        if (!reader.VerifyCrc())
            return Mismatch("a ReadReply frame's CRC-32C does not fit its data");
        BlockBuffer? data = Expand(message, reader.Compression, reader.DataOffset, reader.DataLength, reader.RawLength, out int at);
        if (data is null)
            return "a ReadReply frame's data cannot be decompressed";
        _runtime!.Post(new CoreEvent
        {
            Kind = CoreEventKind.ReadReplied,
            NowMs = ResourceRuntime.NowMs,
            Peer = _peer,
            Link = _link!.Id,
            Number = reader.Id,
            Result = new DiskResult(reader.Errno),
            Header = new ChangeHeader(ChangeKind.Write, default, 0, reader.Length, ChangeFlags.None),
            Subject = reader.RawLength > 0 ? data : null,
            Offset = at,
        });
        data.Release();
        return null;
    }

    // The buffer that holds the plain data, with a reference of the caller's own, and where it begins.
    private static BlockBuffer? Expand(BlockBuffer message, CompressionKind compression, int offset, int length, int rawLength, out int at)
    {
        at = offset;
        if (compression == CompressionKind.None)
            return message.AddReference();
        BlockBuffer plain = BlockBufferPool.Shared.Rent(rawLength, BufferPurpose.PeerReceive);
        at = 0;
        if (Lz4.Unavailable is null && Lz4.TryDecompress(message.Span.Slice(offset, length), plain.Span))
            return plain;
        plain.Release();
        return null;
    }

    private string? ReceiveAck(ReadOnlySpan<byte> frame)
    {
        if (!AckFrameReader.TryRead(frame, out AckFrameReader reader, out FrameError error))
            return Describe(error);
        Carrier carrier = _runtime!.BeginBatch();
        _runtime.ApplyInBatch(
            new CoreEvent
            {
                Kind = CoreEventKind.PeerAck,
                NowMs = ResourceRuntime.NowMs,
                Peer = _peer,
                Link = _link!.Id,
                Sequence = reader.ReceivedSequence,
                Applied = reader.AppliedSequence,
            },
            carrier);
        foreach (StableMark mark in reader)
        {
            _runtime.ApplyInBatch(
                new CoreEvent
                {
                    Kind = CoreEventKind.PeerStable,
                    NowMs = ResourceRuntime.NowMs,
                    Peer = _peer,
                    Link = _link.Id,
                    Volume = mark.Volume,
                    Sequence = mark.Sequence,
                },
                carrier);
        }

        _runtime.EndBatch(carrier);
        return null;
    }

    private string? ReceiveMessage(ReadOnlySpan<byte> frame)
    {
        if (!PeerMessageCodec.TryDecode(frame, out PeerMessage message, out FrameError error))
            return Describe(error);
        _runtime!.Post(new CoreEvent
        {
            Kind = CoreEventKind.PeerMessage,
            NowMs = ResourceRuntime.NowMs,
            Peer = _peer,
            Link = _link!.Id,
            Subject = message,
        });
        return null;
    }

    // Found, not applied, and counted for whoever looks for a bad cable, memory or switch (G10).
    private string Mismatch(string what)
    {
        _runtime!.FrameMismatches[_peer.Value].Add(what);
        return what;
    }

    // What is damaged where the frame's structure stands is found before its checksum is asked.
    private string Describe(FrameError error) => error.Code is FrameErrorCode.UnsupportedKind or FrameErrorCode.WrongKind ? error.ToString() : Mismatch(error.ToString());
}
