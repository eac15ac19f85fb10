using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Encodes and decodes the frames that are not on the data path. Decoding never throws, whatever the bytes are, and
/// allocates no more than the frame's own size bounds.
/// </summary>
public static class PeerMessageCodec
{
    /// <summary>First field of every Hello: "BREP".</summary>
    public const uint HelloMagic = 0x42524550;

    /// <summary>Bytes that <see cref="Encode(PeerMessage, Span{byte})"/> may need for a message.</summary>
    public static int EncodedLengthMax(PeerMessage message) =>
        FrameEnvelope.HeadReserve + ProtocolLimits.FrameCrcBytes + message switch
        {
            HelloMessage => 5 + 6 + 6 + 9 + 9 + (3 * NameFieldMax),
            ResourceStateMessage m => 4 + 4 + 11 + 2 + m.Volumes.Sum(VolumeLengthMax),
            VerdictMessage m => m.Volumes.Length * (6 + 4 + 6 + 6),
            BitmapPartMessage m => 4 + 11 + 6 + (m.Runs.Length * ProtoWriter.VarintBytesMax) + 2,
            SyncEndMessage m => 4 + 9 + HistoryLengthMax(m.History.Length),
            PeerStatusMessage m => 2 + (m.Volumes.Length * (6 + 4 + 2 + 11)) + (m.Resyncs.Length * (6 + 4 + 2 + (5 * 11))),
            DetachRequestMessage => 11 + 4,
            RoleReplyMessage or ResyncReplyMessage or DetachReplyMessage => 11 + 2 + TextFieldMax,
            ResyncRequestMessage => 11 + 4 + 2 + 2,
            ResyncHashesMessage m => 4 + (3 * 11) + 4 + m.Hashes.Length,
            ResyncDiffersMessage => 4 + 11 + 9,
            GoodbyeMessage => 2 + TextFieldMax,
            ResizeRequestMessage => 11 + 4 + 2 + 10 + 2,
            ResizeReplyMessage => 11 + 4 + 10 + 2 + TextFieldMax,
            AckMessage m => AckFrameWriter.LengthMax(m.Stable.Length),
            WriteFailedMessage => 11 + 4 + 10 + 10 + 6,
            ReadRequestMessage => 11 + 4 + 10 + 10 + 9,
            VerifyControlMessage m => VerifyMessageCodec.LengthMax(m),
            VerifyRangeMessage m => VerifyMessageCodec.LengthMax(m),
            VerifyResultMessage => 4 + 11 + 11 + 9,
            // A volume number, a 64-bit value and a flag at most.
            _ => 4 + 11 + 2,
        };

    private const int NameFieldMax = 1 + 2 + ProtocolLimits.NameBytesMax;
    private const int TextFieldMax = 1 + 2 + ProtocolLimits.TextBytesMax;

    /// <summary>
    /// Encodes a message at the start of <paramref name="destination"/>, which holds at least <see cref="EncodedLengthMax"/> bytes, and
    /// returns the frame's length.
    /// </summary>
    public static int Encode(PeerMessage message, Span<byte> destination)
    {
        var writer = new ProtoWriter(destination) { Position = FrameEnvelope.HeadReserve };
        PeerMessageWriter.WriteBody(ref writer, message);
        ReadOnlySpan<byte> frame = FrameEnvelope.Close(destination, message.Kind, writer.Position - FrameEnvelope.HeadReserve);
        Check.That(frame.Length <= ProtocolLimits.MessageBytesMax);
        // The frame was built behind room for the longest prefix; callers want it at the start.
        frame.CopyTo(destination);
        return frame.Length;
    }

    /// <summary>Encodes a message into an array of its own.</summary>
    public static byte[] Encode(PeerMessage message)
    {
        var buffer = new byte[EncodedLengthMax(message)];
        int length = Encode(message, buffer);
        return buffer[..length];
    }

    /// <summary>The kind of a frame, from its first bytes; the rest is not looked at.</summary>
    public static FrameKind PeekKind(ReadOnlySpan<byte> frame) => FrameEnvelope.PeekKind(frame);

    /// <summary>Whether a frame of kind <see cref="FrameKind.Ignorable"/> may be dropped: it is as its sender made it (G10).</summary>
    public static bool TryIgnore(ReadOnlySpan<byte> frame, out FrameError error) => FrameEnvelope.TryIgnore(frame, out error);

    /// <summary>
    /// Decodes a frame of any kind but Changes, ResyncData and ReadReply and checks its checksum. An <see cref="FrameKind.Ignorable"/> frame
    /// gives <see cref="FrameErrorCode.UnsupportedKind"/> too: ask <see cref="PeekKind"/> first, and <see cref="TryIgnore"/> for those.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> frame, out PeerMessage message, out FrameError error)
    {
        message = null!;
        if (!FrameEnvelope.TryOpen(frame, out FrameKind kind, out ReadOnlySpan<byte> body, out int offset, out error))
            return false;
        var reader = new ProtoReader(body, offset);
        if (kind == FrameKind.Ack)
            return PeerMessageReader.TryReadAck(frame, out message, out error);
        PeerMessage? read = PeerMessageReader.ReadBody(ref reader, kind);
        if (read is null)
            reader.Fail(FrameErrorCode.WrongKind, "a message of the control path");
        error = reader.Error;
        if (reader.Failed)
            return false;
        message = read!;
        return true;
    }

    private static int VolumeLengthMax(VolumeStateInfo volume) =>
        6 + 4 + NameFieldMax + 10 + 2 + 9 + 9 + HistoryLengthMax(volume.History.Length) + 6 + 11 + 10;

    private static int HistoryLengthMax(int count) => 3 + (count * sizeof(ulong));

    private static int Sum<T>(this System.Collections.Immutable.ImmutableArray<T> items, Func<T, int> length)
    {
        int sum = 0;
        foreach (T item in items)
            sum += length(item);
        return sum;
    }
}
