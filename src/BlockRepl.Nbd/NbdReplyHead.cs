using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Nbd;

/// <summary>
/// Encodes the fixed part of a reply; data follows it in a segment of its own. With structured replies READ and BLOCK_STATUS
/// are answered in chunks, everything else with the shorter simple reply, which proto.md allows.
/// </summary>
public static class NbdReplyHead
{
    /// <summary>Whether the command's reply is made of chunks.</summary>
    public static bool IsStructured(NbdCommand command, bool structuredReplies) =>
        structuredReplies && command is NbdCommand.Read or NbdCommand.BlockStatus;

    /// <summary>
    /// Writes the head of the only reply to a request and returns its length, at most <see cref="NbdWire.ReplyHeadBytesMax"/>.
    /// </summary>
    /// <param name="destination">At least <see cref="NbdWire.ReplyHeadBytesMax"/> bytes.</param>
    /// <param name="header">The request.</param>
    /// <param name="error">Its outcome; on an error no data may follow.</param>
    /// <param name="dataBytes">Bytes that follow: read data, or the encoded extents of a block status.</param>
    /// <param name="structuredReplies">As negotiated.</param>
    public static int Encode(
        Span<byte> destination, in NbdRequestHeader header, NbdError error, int dataBytes, bool structuredReplies)
    {
        Check.That(error == NbdError.Ok || dataBytes == 0, "an error reply carries no data");
        if (!IsStructured(header.Command, structuredReplies))
            return EncodeSimple(destination, header.Cookie, error);
        if (error != NbdError.Ok)
        {
            int length = EncodeChunk(destination, NbdChunkType.Error, header.Cookie, 4 + 2);
            BinaryPrimitives.WriteUInt32BigEndian(destination[length..], (uint)error);
            BinaryPrimitives.WriteUInt16BigEndian(destination[(length + 4)..], 0); // no message
            return length + 6;
        }

        if (header.Command == NbdCommand.BlockStatus)
        {
            Check.That(dataBytes > 0, "a block status was answered without an extent");
            int length = EncodeChunk(destination, NbdChunkType.BlockStatus, header.Cookie, 4 + (uint)dataBytes);
            BinaryPrimitives.WriteUInt32BigEndian(destination[length..], NbdWire.BaseAllocationId);
            return length + 4;
        }

        if (dataBytes == 0)
            return EncodeChunk(destination, NbdChunkType.None, header.Cookie, 0); // an empty read: no data chunk may be empty
        int head = EncodeChunk(destination, NbdChunkType.OffsetData, header.Cookie, 8 + (uint)dataBytes);
        BinaryPrimitives.WriteUInt64BigEndian(destination[head..], header.Offset);
        return head + 8;
    }

    private static int EncodeSimple(Span<byte> destination, ulong cookie, NbdError error)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, NbdWire.SimpleReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], (uint)error);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], cookie);
        return NbdWire.SimpleReplyBytes;
    }

    // Every reply of BlockRepl is one chunk, so each carries DONE; that is also how DF is always honoured.
    private static int EncodeChunk(Span<byte> destination, NbdChunkType type, ulong cookie, uint payloadBytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, NbdWire.StructuredReplyMagic);
        BinaryPrimitives.WriteUInt16BigEndian(destination[4..], NbdWire.ChunkFlagDone);
        BinaryPrimitives.WriteUInt16BigEndian(destination[6..], (ushort)type);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], cookie);
        BinaryPrimitives.WriteUInt32BigEndian(destination[16..], payloadBytes);
        return NbdWire.ChunkHeaderBytes;
    }
}
