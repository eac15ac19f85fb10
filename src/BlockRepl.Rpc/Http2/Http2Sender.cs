using System.Buffers.Binary;
using BlockRepl.Primitives;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc.Http2;

/// <summary>
/// The sending half of either end: one stream whose bytes wait in a queue for the peer's windows, and behind it a
/// queue of frames that wait for the kernel. Every call holds the channel's gate; none blocks.
/// </summary>
internal sealed class Http2Sender(IWire wire, BlockBufferPool pool, bool isDialer)
{
    private static readonly byte[] ResponseHeaders = new HpackEncoder()
        .Indexed(8) // :status 200
        .Literal("content-type", "application/grpc+proto")
        .ToArray();

    private static readonly byte[] Trailers = new HpackEncoder().Literal("grpc-status", "0").ToArray();

    // A response of headers alone carries its status there ("Trailers-Only" in gRPC over HTTP/2).
    private static readonly byte[] Unimplemented = new HpackEncoder()
        .Indexed(8)
        .Literal("content-type", "application/grpc+proto")
        .Literal("grpc-status", "12")
        .Literal("grpc-message", "unknown method")
        .ToArray();

    // Bytes of the stream without window, then whole frames on their way to the kernel.
    private readonly SegmentQueue _stream = new();
    private readonly SegmentQueue _frames = new();
    private readonly SendArena _arena = new(pool);
    private long _connectionWindow = Http2Settings.DefaultWindow;
    private long _streamWindow = Http2Settings.DefaultWindow;
    private int _initialWindow = Http2Settings.DefaultWindow;
    private int _frameBytesMax = Http2Settings.FrameBytesMin;
    private int _controlFrames;

    // A dialer's only stream; a listener's is what its peer chose.
    private int _streamId = isDialer ? 1 : 0;

    /// <summary>Bytes that the kernel has not taken yet.</summary>
    public long QueuedBytes => _stream.Bytes + _frames.Bytes + wire.HeldBytes;

    /// <summary>Whether bytes wait for the kernel, not for a window.</summary>
    public bool IsSocketFull => _frames.Count > 0 || wire.HeldBytes > 0;

    /// <summary>SETTINGS and the connection's window; a dialer's preface before and its request's headers behind.</summary>
    public void Open(byte[] requestHeaders)
    {
        ReadOnlySpan<byte> preface = Http2Settings.ClientPreface;
        if (isDialer)
            preface.CopyTo(_arena.Append(_frames, preface.Length));

        ReadOnlySpan<(ushort Id, uint Value)> settings =
        [
            (Http2Settings.HeaderTableSize, 0),
            isDialer ? (Http2Settings.EnablePush, 0u) : (Http2Settings.MaxConcurrentStreams, 1u),
            (Http2Settings.InitialWindowSize, Http2Settings.StreamWindow),
            (Http2Settings.MaxFrameSize, Http2Settings.FrameBytesMax),
            (Http2Settings.MaxHeaderListSize, Http2Settings.HeaderBlockBytesMax),
        ];
        Span<byte> payload = Control(FrameType.Settings, 0, 0, settings.Length * 6);
        foreach ((ushort id, uint value) in settings)
        {
            BinaryPrimitives.WriteUInt16BigEndian(payload, id);
            BinaryPrimitives.WriteUInt32BigEndian(payload[2..], value);
            payload = payload[6..];
        }

        BinaryPrimitives.WriteUInt32BigEndian(
            Control(FrameType.WindowUpdate, 0, 0, 4), Http2Settings.ConnectionWindow - Http2Settings.DefaultWindow);
        if (isDialer)
            requestHeaders.CopyTo(Control(FrameType.Headers, FrameHeader.EndHeaders, _streamId, requestHeaders.Length));
        Pump();
    }

    /// <summary>A listener's answer to the request that it takes: from here on messages may go.</summary>
    public void AcceptRequest(int streamId)
    {
        _streamId = streamId;
        ResponseHeaders.CopyTo(Control(FrameType.Headers, FrameHeader.EndHeaders, streamId, ResponseHeaders.Length));
        Pump();
    }

    /// <summary>A listener's answer to any other request; it ends the connection.</summary>
    public void RefuseRequest(int streamId)
    {
        _streamId = streamId;
        Unimplemented.CopyTo(Control(
            FrameType.Headers, FrameHeader.EndHeaders | FrameHeader.EndStreamOrAck, streamId, Unimplemented.Length));
        GoAway();
        Pump();
    }

    /// <summary>Queues a message and sends what goes.</summary>
    public void Send(ReadOnlySpan<byte> head, ReadOnlySpan<PayloadSegment> payload, int length)
    {
        Span<byte> start = _arena.Append(_stream, MessageAssembler.PrefixBytes + head.Length);
        start[0] = 0;
        BinaryPrimitives.WriteInt32BigEndian(start[1..], length);
        head.CopyTo(start[MessageAssembler.PrefixBytes..]);
        foreach (ref readonly PayloadSegment segment in payload)
        {
            if (segment.Length > 0)
                _stream.Add(segment.Buffer.AddReference(), segment.Offset, segment.Length);
        }

        Pump();
    }

    /// <summary>Makes frames of what the windows allow and sends what the kernel takes.</summary>
    public void Pump()
    {
        while (_stream.Bytes > 0)
        {
            long length = Math.Min(Math.Min(_stream.Bytes, _frameBytesMax), Math.Min(_connectionWindow, _streamWindow));
            if (length <= 0)
                break;
            new FrameHeader((int)length, FrameType.Data, 0, _streamId).Write(_arena.Append(_frames, FrameHeader.Size));
            _stream.MoveTo(_frames, length);
            _connectionWindow -= length;
            _streamWindow -= length;
        }

        wire.Flush(_frames);
        if (_frames.Count > 0)
            return;
        _controlFrames = 0;
        if (_stream.Count == 0)
            _arena.Rewind();
    }

    /// <summary>Takes the peer's SETTINGS into account and acknowledges them.</summary>
    public void ApplySettings(ReadOnlySpan<byte> payload)
    {
        for (; payload.Length >= 6; payload = payload[6..])
        {
            uint value = BinaryPrimitives.ReadUInt32BigEndian(payload[2..]);
            switch (BinaryPrimitives.ReadUInt16BigEndian(payload))
            {
                case Http2Settings.InitialWindowSize:
                    if (value > Http2Settings.WindowMax)
                        throw Violation("an initial window beyond 2^31-1");
                    _streamWindow += (int)value - (long)_initialWindow;
                    _initialWindow = (int)value;
                    break;
                case Http2Settings.MaxFrameSize:
                    if (value is < Http2Settings.FrameBytesMin or >= 1 << 24)
                        throw Violation("a MAX_FRAME_SIZE out of range");
                    _frameBytesMax = Math.Min((int)value, Http2Settings.FrameBytesMax);
                    break;
                case Http2Settings.EnablePush:
                    if (value != 0 && isDialer)
                        throw Violation("ENABLE_PUSH, which a server must not");
                    break;
                default:
                    // The others bind the encoder of headers, and we send one block without a table.
                    break;
            }
        }

        Control(FrameType.Settings, FrameHeader.EndStreamOrAck, 0, 0);
        Pump();
    }

    /// <summary>The peer grants more bytes, for the connection (0) or the stream.</summary>
    public void AddWindow(int streamId, int increment)
    {
        ref long window = ref streamId == 0 ? ref _connectionWindow : ref _streamWindow;
        window += increment;
        if (window > Http2Settings.WindowMax)
            throw Violation("a window beyond 2^31-1");
        Pump();
    }

    /// <summary>Answers a PING.</summary>
    public void AcknowledgePing(ReadOnlySpan<byte> payload)
    {
        payload.CopyTo(Control(FrameType.Ping, FrameHeader.EndStreamOrAck, 0, payload.Length));
        Pump();
    }

    /// <summary>Grants the peer more bytes, on stream and connection.</summary>
    public void Grant(int bytes)
    {
        BinaryPrimitives.WriteInt32BigEndian(Control(FrameType.WindowUpdate, 0, 0, 4), bytes);
        BinaryPrimitives.WriteInt32BigEndian(Control(FrameType.WindowUpdate, 0, _streamId, 4), bytes);
        Pump();
    }

    /// <summary>Ends the stream in good order; whether everything left.</summary>
    public bool TryEnd()
    {
        if (QueuedBytes > 0)
            return false;
        if (isDialer)
            Control(FrameType.Data, FrameHeader.EndStreamOrAck, _streamId, 0);
        else
            Trailers.CopyTo(Control(FrameType.Headers, FrameHeader.EndHeaders | FrameHeader.EndStreamOrAck, _streamId, Trailers.Length));
        GoAway();
        Pump();
        return QueuedBytes == 0;
    }

    /// <summary>Drops everything and gives buffers back.</summary>
    public void Release()
    {
        _stream.Clear();
        _frames.Clear();
        _arena.Release();
        wire.Release();
    }

    // The last stream that this side takes, and no error: a dialer takes none.
    private void GoAway()
    {
        Span<byte> payload = Control(FrameType.GoAway, 0, 0, 8);
        payload.Clear();
        BinaryPrimitives.WriteInt32BigEndian(payload, isDialer ? 0 : _streamId);
    }

    private Span<byte> Control(FrameType type, byte flags, int streamId, int length)
    {
        if (++_controlFrames > Http2Settings.ControlFramesMax)
            throw Violation("more control frames than it takes answers");
        Span<byte> frame = _arena.Append(_frames, FrameHeader.Size + length);
        new FrameHeader(length, type, flags, streamId).Write(frame);
        return frame[FrameHeader.Size..];
    }

    private static ChannelException Violation(string what) =>
        new(ChannelCloseReason.ProtocolError, $"the peer sent {what} (HTTP/2)");
}
