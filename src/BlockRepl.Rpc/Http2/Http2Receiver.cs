using System.Buffers.Binary;
using BlockRepl.Primitives;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc.Http2;

/// <summary>
/// The receiving half of either end: reads frames, keeps the windows, and hands whole messages to the channel. Runs on the
/// channel's receiver thread alone; ends by throwing the reason. A long message is received straight into its buffer.
/// </summary>
internal sealed class Http2Receiver(IWire wire, StreamChannel channel, BlockBufferPool pool)
{
    private const int BufferBytes = 128 << 10;

    private readonly MessageAssembler _assembler = new(pool);
    private readonly BlockBuffer _buffer = pool.Rent(BufferBytes, BufferPurpose.PeerReceive);
    // A client's request may come before our SETTINGS have reached it, so it may use the table that HTTP/2 begins with.
    private readonly HpackDecoder _hpack = new(channel.IsDialer ? 0 : Http2Settings.DefaultHeaderTable);
    private int _streamId = channel.IsDialer ? 1 : 0;
    private int _start;
    private int _end;
    private bool _headersSeen;
    private long _streamWindow = Http2Settings.StreamWindow;
    private long _connectionWindow = Http2Settings.ConnectionWindow;
    private int _consumed;

    /// <summary>Whether bytes behind the message that is being handed over have been received already.</summary>
    public bool HasUnread => _start < _end;

    /// <summary>Reads until the stream ends.</summary>
    public void Run()
    {
        ReadOnlySpan<byte> preface = Http2Settings.ClientPreface;
        if (!channel.IsDialer && !Take(preface.Length).SequenceEqual(preface))
            throw Violation("does not speak HTTP/2: it did not begin with the preface");
        bool first = true;
        while (true)
        {
            FrameHeader header = ReadHeader();
            if (first && (header.Type != FrameType.Settings || header.Flags != 0))
                throw Violation("does not speak HTTP/2: its first frame is not SETTINGS");
            first = false;
            if (header.Type == FrameType.Data)
            {
                ReadData(header);
                continue;
            }

            if (header.Length > Http2Settings.ControlFrameBytesMax)
                throw Violation($"sent a {header.Type} frame of {header.Length} bytes");
            Handle(header, Take(header.Length));
        }
    }

    /// <summary>Reads and drops what still comes, until the peer has closed its end or the socket is shut down.</summary>
    public void Drain()
    {
        try
        {
            while (wire.Receive(_buffer.Span, default) > 0)
            {
            }
        }
        catch (ChannelException)
        {
            // The connection is over either way, and its end has been reported.
        }
    }

    /// <summary>Gives buffers back.</summary>
    public void Release()
    {
        _assembler.Release();
        _buffer.Release();
    }

    private void Handle(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        switch (header.Type)
        {
            case FrameType.Headers:
                ReadHeaders(header, payload);
                break;
            case FrameType.Settings:
                if (header.StreamId != 0 || payload.Length % 6 != 0 || ((header.Flags & FrameHeader.EndStreamOrAck) != 0 && payload.Length > 0))
                    throw Violation("sent a malformed SETTINGS frame");
                if ((header.Flags & FrameHeader.EndStreamOrAck) == 0)
                    channel.OnSettings(payload);
                break;
            case FrameType.Ping:
                if (header.StreamId != 0 || payload.Length != 8)
                    throw Violation("sent a malformed PING frame");
                if ((header.Flags & FrameHeader.EndStreamOrAck) == 0)
                    channel.OnPing(payload);
                break;
            case FrameType.WindowUpdate:
                int increment = payload.Length == 4 ? BinaryPrimitives.ReadInt32BigEndian(payload) & int.MaxValue : 0;
                if (increment == 0 || !(header.StreamId == 0 || IsOurs(header.StreamId)))
                    throw Violation("sent a malformed WINDOW_UPDATE frame");
                channel.OnWindow(header.StreamId, increment);
                break;
            case FrameType.ResetStream:
                if (!IsOurs(header.StreamId) || payload.Length != 4)
                    throw Violation("sent a malformed RST_STREAM frame");
                uint code = BinaryPrimitives.ReadUInt32BigEndian(payload);
                // NO_ERROR, REFUSED_STREAM and CANCEL are how a server ends a stream that it does not want any more.
                throw new ChannelException(
                    code is 0 or 7 or 8 ? ChannelCloseReason.PeerClosed : ChannelCloseReason.ProtocolError,
                    $"the peer reset the stream: {Http2Settings.ErrorName(code)}");
            case FrameType.GoAway:
                if (header.StreamId != 0 || payload.Length < 8)
                    throw Violation("sent a malformed GOAWAY frame");
                ReadGoAway(payload);
                break;
            case FrameType.PushPromise or FrameType.Continuation:
                throw Violation($"sent a {header.Type} frame where none may be");
            case FrameType.Priority:
                if (payload.Length != 5)
                    throw Violation("sent a malformed PRIORITY frame");
                break;
            default:
                // RFC 9113 section 5.5 says to ignore what is not known. Of the connection it is; on the stream it may be DATA with a flipped bit, and to drop that loses a change without a word (G10).
                if (header.StreamId != 0)
                    throw Violation($"sent a frame of type {(byte)header.Type} on the stream");
                break;
        }
    }

    private void ReadGoAway(ReadOnlySpan<byte> payload)
    {
        int last = BinaryPrimitives.ReadInt32BigEndian(payload) & int.MaxValue;
        uint code = BinaryPrimitives.ReadUInt32BigEndian(payload[4..]);
        // A graceful one names a last stream that includes ours: it goes on until its own end.
        if (code == 0 && (last >= _streamId || !channel.IsDialer))
            return;
        throw new ChannelException(
            code == 0 ? ChannelCloseReason.PeerClosed : ChannelCloseReason.ProtocolError,
            $"the peer ended the connection: {Http2Settings.ErrorName(code)}");
    }

    private void ReadHeaders(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (_streamId == 0 && (header.StreamId & 1) == 1)
            _streamId = header.StreamId;
        if (!IsOurs(header.StreamId))
            throw Violation("sent HEADERS on a stream other than the first");
        int padding = 0;
        if ((header.Flags & FrameHeader.Padded) != 0)
        {
            if (payload.IsEmpty)
                throw Violation("sent a malformed HEADERS frame");
            padding = payload[0];
            payload = payload[1..];
        }

        int skip = (header.Flags & FrameHeader.Priority) != 0 ? 5 : 0;
        if (skip + padding > payload.Length)
            throw Violation("sent a malformed HEADERS frame");
        List<byte> block = [.. payload[skip..^padding]];
        bool end = (header.Flags & FrameHeader.EndHeaders) != 0;
        for (int frames = 0; !end; frames++)
        {
            FrameHeader more = ReadHeader();
            if (more.Type != FrameType.Continuation || more.StreamId != _streamId || frames > 16
                || more.Length + block.Count > Http2Settings.HeaderBlockBytesMax)
            {
                throw Violation("sent an endless or broken header block");
            }

            block.AddRange(Take(more.Length));
            end = (more.Flags & FrameHeader.EndHeaders) != 0;
        }

        List<(string Name, string Value)> fields = _hpack.Decode(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(block));
        bool last = (header.Flags & FrameHeader.EndStreamOrAck) != 0;
        if (_headersSeen && !last)
            throw Violation("sent a second header block that does not end the stream");
        if (!_headersSeen && channel.IsDialer)
            GrpcStatus.CheckResponse(fields);
        else if (!_headersSeen)
            channel.OnRequest(fields, _streamId);
        _headersSeen = true;
        if (last)
            throw EndOfStream(channel.IsDialer ? GrpcStatus.End(fields) : PeerEnded());
    }

    private void ReadData(in FrameHeader header)
    {
        if (!IsOurs(header.StreamId) || !_headersSeen)
            throw Violation("sent DATA where none may be");
        if (header.Length > Http2Settings.FrameBytesMax)
            throw Violation($"sent a DATA frame of {header.Length} bytes; the limit is {Http2Settings.FrameBytesMax}");
        _streamWindow -= header.Length;
        _connectionWindow -= header.Length;
        if (_streamWindow < 0 || _connectionWindow < 0)
            throw Violation("sent more than its window");

        int padding = 0;
        int length = header.Length;
        if ((header.Flags & FrameHeader.Padded) != 0)
        {
            if (length < 1 || Take(1) is not [var pad] || pad > length - 1)
                throw Violation("sent a malformed DATA frame");
            padding = pad;
            length -= 1 + padding;
        }

        ReadMessages(length);
        Take(padding);
        if ((header.Flags & FrameHeader.EndStreamOrAck) != 0)
            throw EndOfStream(PeerEnded());
        Grant(header.Length);
    }

    private void ReadMessages(int length)
    {
        while (length > 0)
        {
            BlockBuffer? message;
            if (_start == _end)
            {
                _start = _end = 0;
                Span<byte> rest = _assembler.Rest;
                if (rest.Length > length)
                    rest = rest[..length];
                int received = Receive(rest, _buffer.Span);
                int direct = Math.Min(received, rest.Length);
                _end = received - direct;
                if (direct == 0)
                    continue;
                length -= direct;
                message = _assembler.Filled(direct);
            }
            else
            {
                int part = Math.Min(length, _end - _start);
                ReadOnlySpan<byte> data = _buffer.Span.Slice(_start, part);
                message = _assembler.Feed(ref data);
                int used = part - data.Length;
                _start += used;
                length -= used;
            }

            if (message is not null)
                channel.OnMessage(message);
        }
    }

    private void Grant(int bytes)
    {
        _consumed += bytes;
        if (_consumed < Http2Settings.WindowUpdateStep)
            return;
        channel.OnConsumed(_consumed);
        _streamWindow += _consumed;
        _connectionWindow += _consumed;
        _consumed = 0;
    }

    private bool IsOurs(int streamId) => streamId != 0 && streamId == _streamId;

    private ChannelException PeerEnded() => new(
        ChannelCloseReason.PeerClosed, channel.IsDialer ? "the peer ended the stream without trailers" : "the peer ended the stream");

    private ChannelException EndOfStream(ChannelException end) => _assembler.IsBetweenMessages
        ? end
        : new ChannelException(ChannelCloseReason.ProtocolError, "the peer ended the stream inside a message");

    private FrameHeader ReadHeader() => FrameHeader.Read(Take(FrameHeader.Size));

    /// <summary>The next bytes, whole; valid until the next call.</summary>
    private ReadOnlySpan<byte> Take(int length)
    {
        if (_end - _start < length)
        {
            _buffer.Span[_start.._end].CopyTo(_buffer.Span);
            _end -= _start;
            _start = 0;
            while (_end < length)
                _end += Receive(_buffer.Span[_end..], default);
        }

        ReadOnlySpan<byte> bytes = _buffer.Span.Slice(_start, length);
        _start += length;
        return bytes;
    }

    private int Receive(Span<byte> first, Span<byte> second)
    {
        int received = wire.Receive(first, second);
        if (received == 0)
            throw new ChannelException(ChannelCloseReason.NetworkFailure, "the peer closed the connection");
        channel.OnReceived();
        return received;
    }

    private static ChannelException Violation(string what) => new(ChannelCloseReason.ProtocolError, $"the peer {what}");
}
