using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>
/// The outside of a frame: one body field, and behind it the frame's checksum, except for Changes, ResyncData and ReadReply, which
/// carry their own so that it can be computed over the data where they lie.
/// </summary>
internal static class FrameEnvelope
{
    /// <summary>Bytes kept free in front of a body: its tag (two bytes at most) and its length.</summary>
    public const int HeadReserve = 2 + 5;

    public static FrameKind PeekKind(ReadOnlySpan<byte> frame)
    {
        var reader = new ProtoReader(frame);
        if (!reader.Next(out uint field) || reader.Type != WireType.Bytes)
            return FrameKind.Malformed;
        return field switch
        {
            <= (uint)FrameKind.ReadReply => (FrameKind)field,
            >= (uint)FrameKind.ResyncAck and <= (uint)FrameKind.ResyncDiffers => (FrameKind)field,
            (uint)FrameKind.SettingsUpdate or (uint)FrameKind.ResizeRequest or (uint)FrameKind.ResizeReply
                or (uint)FrameKind.DetachRequest or (uint)FrameKind.DetachReply => (FrameKind)field,
            >= (uint)FrameKind.VerifyControl and <= (uint)FrameKind.Behind => (FrameKind)field,
            < ProtocolLimits.FirstIgnorableKind => FrameKind.Unsupported,
            < ProtocolLimits.FrameCrcField => FrameKind.Ignorable,
            _ => FrameKind.Malformed,
        };
    }

    /// <summary>
    /// Finds the body of a frame and checks the frame's own checksum (G10). Unknown fields between the two are passed over; nothing
    /// may follow the checksum.
    /// </summary>
    public static bool TryOpen(
        ReadOnlySpan<byte> frame, out FrameKind kind, out ReadOnlySpan<byte> body, out int bodyOffset, out FrameError error)
    {
        body = default;
        bodyOffset = 0;
        kind = PeekKind(frame);
        if (frame.Length > ProtocolLimits.MessageBytesMax)
        {
            error = new FrameError(FrameErrorCode.LimitExceeded, "message length", 0);
            return false;
        }

        if (kind is FrameKind.Malformed or FrameKind.Unsupported or FrameKind.Ignorable)
        {
            FrameErrorCode code = kind == FrameKind.Malformed ? FrameErrorCode.Malformed : FrameErrorCode.UnsupportedKind;
            error = new FrameError(code, frame.IsEmpty ? "an empty frame" : "the frame's kind", 0);
            return false;
        }

        var reader = new ProtoReader(frame);
        reader.Next(out _);
        body = reader.Bytes("the body");
        bodyOffset = reader.Position - body.Length;
        if (kind is FrameKind.Changes or FrameKind.ResyncData or FrameKind.ReadReply)
        {
            // The data reach to the frame's end; so the length of the message, of the body and of the data check each other.
            if (!reader.Failed && reader.Position != frame.Length)
                reader.Fail(FrameErrorCode.Malformed, "bytes behind the body");
        }
        else
        {
            ReadChecksum(frame, ref reader);
        }

        error = reader.Error;
        return !reader.Failed;
    }

    /// <summary>
    /// Checks the checksum of a frame that is about to be dropped because its kind is not known (G10): one flipped bit makes such a frame of any other, and to drop that loses what it carries.
    /// </summary>
    public static bool TryIgnore(ReadOnlySpan<byte> frame, out FrameError error)
    {
        Check.That(PeekKind(frame) == FrameKind.Ignorable);
        var reader = new ProtoReader(frame);
        reader.Next(out _);
        reader.Bytes("the body");
        ReadChecksum(frame, ref reader);
        error = reader.Error;
        return !reader.Failed;
    }

    /// <summary>
    /// Puts tag and length in front of a body that begins <see cref="HeadReserve"/> bytes into the buffer. Returns where
    /// the frame begins.
    /// </summary>
    public static int Prefix(Span<byte> buffer, FrameKind kind, int bodyLength)
    {
        Check.That(bodyLength >= 0);
        uint tag = ((uint)kind << 3) | (byte)WireType.Bytes;
        int start = HeadReserve - ProtoWriter.VarintLength(tag) - ProtoWriter.VarintLength((ulong)bodyLength);
        var writer = new ProtoWriter(buffer) { Position = start };
        writer.Varint(tag);
        writer.Varint((ulong)bodyLength);
        return start;
    }

    /// <summary>Finishes a frame without data: prefix, and the checksum behind it. Returns the frame.</summary>
    public static ReadOnlySpan<byte> Close(Span<byte> buffer, FrameKind kind, int bodyLength)
    {
        int start = Prefix(buffer, kind, bodyLength);
        int end = HeadReserve + bodyLength;
        var writer = new ProtoWriter(buffer) { Position = end };
        writer.Fixed32(ProtocolLimits.FrameCrcField, Crc32C.Compute(buffer[start..end]));
        return buffer[start..writer.Position];
    }

    private static void ReadChecksum(ReadOnlySpan<byte> frame, ref ProtoReader reader)
    {
        // A checksum of zero may be left out, as proto3 leaves out every zero.
        int covered = frame.Length;
        uint stored = 0;
        while (reader.Next(out uint field))
        {
            if (covered != frame.Length)
            {
                reader.Fail(FrameErrorCode.Malformed, "bytes behind the checksum");
            }
            else if (field == ProtocolLimits.FrameCrcField)
            {
                covered = reader.FieldStart;
                stored = reader.Fixed32("crc32c");
            }
            else if (field >= ProtocolLimits.FirstIgnorableKind)
            {
                reader.Skip();
            }
            else
            {
                reader.Fail(FrameErrorCode.Malformed, "a second body");
            }
        }

        if (!reader.Failed && Crc32C.Compute(frame[..covered]) != stored && !Canary.FrameChecksumIgnored)
            reader.Fail(FrameErrorCode.BadChecksum, "crc32c");
    }
}
