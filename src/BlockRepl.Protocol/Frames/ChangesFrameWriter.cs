using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Writes the head of a Changes frame into the caller's buffer without allocation: everything up to and including the data
/// field's tag and length. The data follow the head on the wire as payload segments and are never copied.
/// <code>
/// var writer = new ChangesFrameWriter(buffer);
/// writer.Begin(first);
/// writer.Add(change); ...
/// uint crc = writer.Seal(CompressionKind.None, rawLength);
/// foreach (segment) crc = Crc32C.Update(crc, segment);
/// ReadOnlySpan&lt;byte&gt; head = writer.End(crc, dataLength);
/// </code>
/// </summary>
public ref struct ChangesFrameWriter
{
    // Tag and length, kind, nr, offset, length, flags.
    private const int ChangeBytesMax = 2 + 2 + 4 + 10 + 10 + 2;

    private readonly Span<byte> _buffer;
    private ProtoWriter _writer;
    private long _payload;
    private int _rawLength;

    /// <param name="buffer">At least <see cref="HeadLengthMax"/> bytes; the head lies somewhere inside.</param>
    public ChangesFrameWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        _writer = new ProtoWriter(buffer);
    }

    /// <summary>Changes added so far.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of payload that the changes added so far have.</summary>
    public readonly long PayloadLength => _payload;

    /// <summary>Bytes that the head of a frame with so many changes may need.</summary>
    public static int HeadLengthMax(int changes) =>
        FrameEnvelope.HeadReserve + 11 + (changes * ChangeBytesMax) + 2 + 6 + 5 + 6;

    /// <summary>Whether one more change with so much payload still fits the limits of a frame.</summary>
    public readonly bool Fits(long payloadLength) =>
        Count < ProtocolLimits.ChangesMax && _payload + payloadLength <= ProtocolLimits.RawBytesMax;

    /// <summary>Starts a frame; <paramref name="first"/> is the number of its first change.</summary>
    public void Begin(SequenceNumber first)
    {
        Check.That(first.Value != 0, "sequence numbers start at 1");
        _writer.Position = FrameEnvelope.HeadReserve;
        _payload = 0;
        Count = 0;
        _writer.UInt64(1, first.Value);
    }

    /// <summary>Adds the next change.</summary>
    public void Add(in ChangeHeader change)
    {
        Check.That(Fits(change.PayloadLength), "a Changes frame is over its limits");
        _writer.Tag(2, WireType.Bytes);
        int lengthAt = _writer.Position++;
        _writer.UInt64(1, (ulong)change.Kind);
        _writer.UInt64(2, change.Volume.Value);
        _writer.Int64(3, change.Offset);
        _writer.Int64(4, change.Length);
        _writer.UInt64(5, (ulong)change.Flags);
        _buffer[lengthAt] = (byte)(_writer.Position - lengthAt - 1);
        _payload += change.PayloadLength;
        Count++;
    }

    /// <summary>
    /// Ends the fields that the checksum covers. Returns its running state, to be updated with the data as sent.
    /// </summary>
    /// <param name="compression">How the data are compressed.</param>
    /// <param name="rawLength">Bytes of the data before compression: the sum of the writes' lengths.</param>
    public uint Seal(CompressionKind compression, int rawLength)
    {
        Check.That(Count > 0, "a Changes frame has at least one change");
        Check.That(rawLength == _payload, "raw_length is the sum of the writes' lengths");
        _writer.UInt64(3, (ulong)compression);
        _writer.UInt64(4, (uint)rawLength);
        _rawLength = rawLength;
        return Crc32C.Update(Crc32C.Start, _buffer[FrameEnvelope.HeadReserve.._writer.Position]);
    }

    /// <summary>Finishes and returns the head, a part of the buffer.</summary>
    /// <param name="crcState">The running state after the last data byte.</param>
    /// <param name="dataLength">Bytes of data that follow; fewer than the raw length if compressed.</param>
    public ReadOnlySpan<byte> End(uint crcState, int dataLength)
    {
        Check.That(dataLength >= 0 && dataLength <= _rawLength, "data do not grow by compression");
        return DataFrame.Finish(ref _writer, _buffer, FrameKind.Changes, 5, crcState, dataLength);
    }
}
