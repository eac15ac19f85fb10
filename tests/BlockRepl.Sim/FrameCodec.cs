using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim;

/// <summary>Turns effects into the frames of the peer protocol and frames into events: what Core says must be sayable.</summary>
public static class FrameCodec
{
    /// <summary>Encodes a Send effect; null if it needs no frame. Releases the effect's buffer.</summary>
    public static byte[] Encode(in Effect effect)
    {
        switch (effect.Kind)
        {
            case EffectKind.SendMessage:
                return PeerMessageCodec.Encode(effect.Message);
            case EffectKind.SendAck:
                return PeerMessageCodec.Encode(new AckMessage(effect.Sequence, effect.Applied, []));
            case EffectKind.SendStable:
                return PeerMessageCodec.Encode(new AckMessage(default, default, [new StableMark(effect.Volume, effect.Sequence)]));
            case EffectKind.SendChange:
                return EncodeChange(in effect);
            case EffectKind.SendResyncData:
                return EncodeResync(effect.Chunk);
            case EffectKind.SendReadReply:
                return EncodeReadReply(effect.Chunk, effect.Result);
            default:
                throw Check.Unreachable("not a send effect");
        }
    }

    /// <summary>Decodes a frame and hands the events in it to <paramref name="receiver"/>.</summary>
    public static void Decode(byte[] frame, BlockBufferPool pool, Action<CoreEvent> receiver)
    {
        switch (PeerMessageCodec.PeekKind(frame))
        {
            case FrameKind.Changes:
                DecodeChanges(frame, pool, receiver);
                break;
            case FrameKind.ResyncData:
                DecodeResync(frame, pool, receiver);
                break;
            case FrameKind.ReadReply:
                DecodeReadReply(frame, pool, receiver);
                break;
            case FrameKind.Ack:
                DecodeAck(frame, receiver);
                break;
            default:
                Assert.True(PeerMessageCodec.TryDecode(frame, out PeerMessage message, out FrameError error), error.ToString());
                receiver(new CoreEvent { Kind = CoreEventKind.PeerMessage, Subject = message });
                break;
        }
    }

    private static byte[] EncodeChange(in Effect effect)
    {
        ReadOnlySpan<byte> data = effect.Buffer is { } buffer
            ? buffer.Span.Slice(effect.BufferOffset, (int)effect.Header.PayloadLength)
            : default;
        var writer = new ChangesFrameWriter(new byte[ChangesFrameWriter.HeadLengthMax(1)]);
        writer.Begin(effect.Sequence);
        writer.Add(effect.Header);
        uint crc = Crc32C.Update(writer.Seal(CompressionKind.None, data.Length), data);
        byte[] frame = [.. writer.End(crc, data.Length), .. data];
        effect.Buffer?.Release();
        return frame;
    }

    private static byte[] EncodeResync(ResyncChunk chunk)
    {
        ReadOnlySpan<byte> data = chunk.IsZeroes ? default : chunk.Buffer!.Span.Slice(chunk.BufferOffset, (int)chunk.Range.Length);
        var writer = new ResyncDataFrameWriter(new byte[ResyncDataFrameWriter.HeadLengthMax]);
        uint crc = Crc32C.Update(writer.Begin(chunk.Volume, chunk.Range, chunk.IsZeroes, CompressionKind.None, chunk.Position), data);
        byte[] frame = [.. writer.End(crc, data.Length), .. data];
        chunk.Buffer?.Release();
        return frame;
    }

    private static byte[] EncodeReadReply(ResyncChunk chunk, DiskResult result)
    {
        int length = result.IsOk ? (int)chunk.Range.Length : 0;
        ReadOnlySpan<byte> data = chunk.Buffer is { } buffer ? buffer.Span.Slice(chunk.BufferOffset, length) : default;
        var writer = new ReadReplyFrameWriter(new byte[ReadReplyFrameWriter.HeadLengthMax]);
        uint crc = Crc32C.Update(writer.Begin(chunk.Id, result, length, chunk.IsZeroes, CompressionKind.None), data);
        byte[] frame = [.. writer.End(crc, data.Length), .. data];
        chunk.Buffer?.Release();
        return frame;
    }

    private static void DecodeReadReply(byte[] frame, BlockBufferPool pool, Action<CoreEvent> receiver)
    {
        Assert.True(ReadReplyFrameReader.TryRead(frame, out ReadReplyFrameReader reply, out FrameError error), error.ToString());
        Assert.True(reply.VerifyCrc());
        BlockBuffer buffer = Rent(pool, frame.AsSpan(reply.DataOffset, reply.DataLength));
        receiver(new CoreEvent
        {
            Kind = CoreEventKind.ReadReplied,
            Number = reply.Id,
            Result = new DiskResult(reply.Errno),
            Header = new ChangeHeader(ChangeKind.Write, default, 0, reply.Length, ChangeFlags.None),
            Subject = reply.Zeroes || reply.Length == 0 ? null : buffer,
        });
        buffer.Release();
    }

    private static void DecodeChanges(byte[] frame, BlockBufferPool pool, Action<CoreEvent> receiver)
    {
        Assert.True(ChangesFrameReader.TryRead(frame, out ChangesFrameReader changes, out FrameError error), error.ToString());
        Assert.True(changes.VerifyCrc());
        BlockBuffer buffer = Rent(pool, frame.AsSpan(changes.DataOffset, changes.DataLength));
        SequenceNumber sequence = changes.FirstSequence;
        int offset = 0;
        foreach (ChangeHeader header in changes)
        {
            receiver(new CoreEvent
            {
                Kind = CoreEventKind.PeerChange,
                Sequence = sequence,
                Header = header,
                Subject = header.PayloadLength > 0 ? buffer : null,
                Offset = offset,
            });
            sequence = sequence.Next;
            offset += (int)header.PayloadLength;
        }

        buffer.Release();
    }

    private static void DecodeResync(byte[] frame, BlockBufferPool pool, Action<CoreEvent> receiver)
    {
        Assert.True(ResyncDataFrameReader.TryRead(frame, out ResyncDataFrameReader data, out FrameError error), error.ToString());
        Assert.True(data.VerifyCrc());
        BlockBuffer buffer = Rent(pool, frame.AsSpan(data.DataOffset, data.DataLength));
        receiver(new CoreEvent
        {
            Kind = CoreEventKind.ResyncData,
            Header = new ChangeHeader(
                data.Zeroes ? ChangeKind.Zeroes : ChangeKind.Write, data.Volume, data.Range.Offset, data.Range.Length, ChangeFlags.None),
            Subject = data.Zeroes ? null : buffer,
            Applied = data.Position,
        });
        buffer.Release();
    }

    private static void DecodeAck(byte[] frame, Action<CoreEvent> receiver)
    {
        Assert.True(AckFrameReader.TryRead(frame, out AckFrameReader ack, out FrameError error), error.ToString());
        receiver(new CoreEvent { Kind = CoreEventKind.PeerAck, Sequence = ack.ReceivedSequence, Applied = ack.AppliedSequence });
        List<StableMark> marks = [];
        foreach (StableMark mark in ack)
            marks.Add(mark);
        foreach (StableMark mark in marks)
            receiver(new CoreEvent { Kind = CoreEventKind.PeerStable, Volume = mark.Volume, Sequence = mark.Sequence });
    }

    private static BlockBuffer Rent(BlockBufferPool pool, ReadOnlySpan<byte> content)
    {
        BlockBuffer buffer = pool.Rent(content.Length, BufferPurpose.PeerReceive);
        content.CopyTo(buffer.Span);
        return buffer;
    }
}
