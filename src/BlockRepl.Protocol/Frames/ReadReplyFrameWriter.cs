using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Writes the head of a ReadReply frame without allocation, as <see cref="ResyncDataFrameWriter"/> does: <see cref="Begin"/> gives the checksum's running state,
/// the caller updates it with the data as sent, <see cref="End"/> returns the head.
/// </summary>
public ref struct ReadReplyFrameWriter
{
    /// <summary>Bytes that a head may need.</summary>
    public const int HeadLengthMax = FrameEnvelope.HeadReserve + 11 + 6 + 6 + 2 + 2 + 5 + 6;

    private readonly Span<byte> _buffer;
    private ProtoWriter _writer;
    private int _rawLength;

    /// <param name="buffer">At least <see cref="HeadLengthMax"/> bytes; the head lies somewhere inside.</param>
    public ReadReplyFrameWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        _writer = new ProtoWriter(buffer);
    }

    /// <summary>Starts a frame and returns the checksum's running state.</summary>
    /// <param name="id">Which request is answered.</param>
    /// <param name="result">How the read ended; without success the length is zero.</param>
    /// <param name="length">Bytes that were read.</param>
    /// <param name="zeroes">They are all zero; no data follow.</param>
    /// <param name="compression">How the data are compressed.</param>
    public uint Begin(ulong id, DiskResult result, int length, bool zeroes, CompressionKind compression)
    {
        Check.That(length >= 0 && length <= ProtocolLimits.ReadBytesMax && (result.IsOk || length == 0));
        _writer.Position = FrameEnvelope.HeadReserve;
        _writer.UInt64(1, id);
        _writer.Int64(2, result.Errno);
        _writer.Int64(3, length);
        _writer.Bool(4, zeroes);
        _writer.UInt64(5, (ulong)compression);
        _rawLength = zeroes ? 0 : length;
        return Crc32C.Update(Crc32C.Start, _buffer[FrameEnvelope.HeadReserve.._writer.Position]);
    }

    /// <summary>Finishes and returns the head, a part of the buffer.</summary>
    /// <param name="crcState">The running state after the last data byte.</param>
    /// <param name="dataLength">Bytes of data that follow.</param>
    public ReadOnlySpan<byte> End(uint crcState, int dataLength)
    {
        Check.That(dataLength >= 0 && dataLength <= _rawLength, "data do not grow by compression");
        return DataFrame.Finish(ref _writer, _buffer, FrameKind.ReadReply, 6, crcState, dataLength);
    }
}
