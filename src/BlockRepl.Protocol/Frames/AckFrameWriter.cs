using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>Writes an Ack frame into the caller's buffer without allocation: <see cref="Begin"/>, any number of
/// <see cref="AddStable"/>, <see cref="End"/>.</summary>
public ref struct AckFrameWriter
{
    private readonly Span<byte> _buffer;
    private ProtoWriter _writer;

    /// <param name="buffer">At least <see cref="LengthMax"/> bytes; the frame lies somewhere inside.</param>
    public AckFrameWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        _writer = new ProtoWriter(buffer);
    }

    /// <summary>Bytes that a frame with so many stable marks may need.</summary>
    public static int LengthMax(int stableMarks) =>
        FrameEnvelope.HeadReserve + (2 * (1 + ProtoWriter.VarintBytesMax)) + (stableMarks * (2 + 4 + 11)) + ProtocolLimits.FrameCrcBytes;

    /// <summary>Starts a frame.</summary>
    public void Begin(SequenceNumber received, SequenceNumber applied)
    {
        _writer.Position = FrameEnvelope.HeadReserve;
        _writer.UInt64(1, received.Value);
        _writer.UInt64(2, applied.Value);
    }

    /// <summary>Adds how far a volume (the receiver's number) is stable.</summary>
    public void AddStable(VolumeNr volume, SequenceNumber sequence)
    {
        _writer.Tag(3, WireType.Bytes);
        int lengthAt = _writer.Position++;
        _writer.UInt64(1, volume.Value);
        _writer.UInt64(2, sequence.Value);
        _buffer[lengthAt] = (byte)(_writer.Position - lengthAt - 1);
    }

    /// <summary>Finishes and returns the frame, a part of the buffer.</summary>
    public readonly ReadOnlySpan<byte> End() =>
        FrameEnvelope.Close(_buffer, FrameKind.Ack, _writer.Position - FrameEnvelope.HeadReserve);
}
