using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>Alive frames without allocation.</summary>
public static class AliveFrame
{
    /// <summary>Bytes that <see cref="Write"/> may need.</summary>
    public const int LengthMax = FrameEnvelope.HeadReserve + 1 + ProtoWriter.VarintBytesMax + ProtocolLimits.FrameCrcBytes;

    /// <summary>Writes a frame into <paramref name="buffer"/> and returns the part of it that holds the frame.</summary>
    public static ReadOnlySpan<byte> Write(Span<byte> buffer, SequenceNumber appliedSequence)
    {
        var writer = new ProtoWriter(buffer) { Position = FrameEnvelope.HeadReserve };
        writer.UInt64(1, appliedSequence.Value);
        return FrameEnvelope.Close(buffer, FrameKind.Alive, writer.Position - FrameEnvelope.HeadReserve);
    }

    /// <summary>Reads a whole frame.</summary>
    public static bool TryRead(ReadOnlySpan<byte> frame, out SequenceNumber appliedSequence, out FrameError error)
    {
        appliedSequence = default;
        if (!FrameEnvelope.TryOpen(frame, out FrameKind kind, out ReadOnlySpan<byte> body, out int offset, out error))
            return false;
        var reader = new ProtoReader(body, offset);
        if (kind != FrameKind.Alive)
            reader.Fail(FrameErrorCode.WrongKind, "an Alive");
        ulong applied = 0;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                applied = reader.UInt64("applied_sequence");
            else
                reader.Skip();
        }

        appliedSequence = new SequenceNumber(applied);
        error = reader.Error;
        return !reader.Failed;
    }
}
