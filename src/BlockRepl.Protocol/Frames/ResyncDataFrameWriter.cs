using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Writes the head of a ResyncData frame without allocation, as <see cref="ChangesFrameWriter"/> does: <see cref="Begin"/> gives
/// the checksum's running state, the caller updates it with the data as sent, <see cref="End"/> returns the head.
/// </summary>
public ref struct ResyncDataFrameWriter
{
    /// <summary>Bytes that a head may need.</summary>
    public const int HeadLengthMax = FrameEnvelope.HeadReserve + 4 + 10 + 10 + 2 + 2 + 11 + 5 + 6;

    private readonly Span<byte> _buffer;
    private ProtoWriter _writer;
    private long _rawLength;
    private SequenceNumber _position;

    /// <param name="buffer">At least <see cref="HeadLengthMax"/> bytes; the head lies somewhere inside.</param>
    public ResyncDataFrameWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        _writer = new ProtoWriter(buffer);
    }

    /// <summary>Starts a frame and returns the checksum's running state.</summary>
    /// <param name="volume">The sender's number of the volume.</param>
    /// <param name="range">The bytes of the volume.</param>
    /// <param name="zeroes">The range reads as zeroes; no data follow.</param>
    /// <param name="compression">How the data are compressed.</param>
    /// <param name="position">Stream position up to which the sender had applied the receiver's changes when it read the data.</param>
    public uint Begin(VolumeNr volume, ByteRange range, bool zeroes, CompressionKind compression, SequenceNumber position = default)
    {
        Check.That(range.Length > 0 && range.Length <= (zeroes ? ProtocolLimits.RangeBytesMax : ProtocolLimits.RawBytesMax));
        _writer.Position = FrameEnvelope.HeadReserve;
        _writer.UInt64(1, volume.Value);
        _writer.Int64(2, range.Offset);
        _writer.Int64(3, range.Length);
        _writer.Bool(4, zeroes);
        _writer.UInt64(5, (ulong)compression);
        _rawLength = zeroes ? 0 : range.Length;
        _position = position;
        uint state = Crc32C.Update(Crc32C.Start, _buffer[FrameEnvelope.HeadReserve.._writer.Position]);

        // The position stands behind the checksum, which it is a part of: encoded here for its bytes, and again at its place.
        int end = _writer.Position;
        _writer.UInt64(7, position.Value);
        state = Crc32C.Update(state, _buffer[end.._writer.Position]);
        _writer.Position = end;
        return state;
    }

    /// <summary>Finishes and returns the head, a part of the buffer.</summary>
    /// <param name="crcState">The running state after the last data byte.</param>
    /// <param name="dataLength">Bytes of data that follow.</param>
    public ReadOnlySpan<byte> End(uint crcState, int dataLength)
    {
        Check.That(dataLength >= 0 && dataLength <= _rawLength, "data do not grow by compression");
        return DataFrame.Finish(ref _writer, _buffer, FrameKind.ResyncData, 6, crcState, dataLength, 7, _position.Value);
    }
}
