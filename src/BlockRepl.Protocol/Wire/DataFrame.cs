using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>
/// What Changes, ResyncData and ReadReply have in common: fields, a checksum, and data that reach to the frame's end. The checksum
/// covers every byte of the body but two stretches: its own field, and the data field's tag and length, whose damage shows because
/// the data must end exactly where body and message end.
/// </summary>
internal static class DataFrame
{
    public const uint DataField = 15;

    /// <summary>Writes checksum, data tag and length, and the prefix; returns the head.</summary>
    public static ReadOnlySpan<byte> Finish(
        scoped ref ProtoWriter writer, Span<byte> buffer, FrameKind kind, uint crcField, uint crcState, int dataLength,
        uint lastField = 0, ulong lastValue = 0)
    {
        writer.Fixed32(crcField, Crc32C.Finish(crcState));
        if (lastField != 0)
            writer.UInt64(lastField, lastValue);
        if (dataLength > 0)
        {
            writer.Tag(DataField, WireType.Bytes);
            writer.Varint((ulong)dataLength);
        }

        int start = FrameEnvelope.Prefix(buffer, kind, writer.Position - FrameEnvelope.HeadReserve + dataLength);
        return buffer[start..writer.Position];
    }

    /// <summary>Computes the checksum of a body.</summary>
    /// <param name="body">The body.</param>
    /// <param name="crcStart">Where the checksum field begins; the body's length when it was left out.</param>
    /// <param name="dataTagStart">Where the data field begins; the body's length when it was left out.</param>
    /// <param name="dataStart">Where the data themselves begin.</param>
    public static uint Checksum(ReadOnlySpan<byte> body, int crcStart, int dataTagStart, int dataStart)
    {
        const int CrcFieldBytes = 1 + sizeof(uint);
        int before = Math.Min(crcStart, dataTagStart);
        uint state = Crc32C.Update(Crc32C.Start, body[..before]);
        if (crcStart < dataTagStart)
            state = Crc32C.Update(state, body[(crcStart + CrcFieldBytes)..dataTagStart]);
        return Crc32C.Finish(Crc32C.Update(state, body[dataStart..]));
    }
}
