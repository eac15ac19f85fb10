using BlockRepl.Core;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Run;

/// <summary>Frames to events, as the daemon's receiver does it: with the protocol's own readers.</summary>
internal static class Wire
{
    /// <summary>Gives a node the events in a frame. Null, or what is wrong with the frame; nothing has been given then.</summary>
    public static string? Receive(byte[] frame, LinkId link, SimNode node, BlockBufferPool pool)
    {
        switch (PeerMessageCodec.PeekKind(frame))
        {
            case FrameKind.Changes:
                return Changes(frame, link, node, pool);
            case FrameKind.ResyncData:
                return Resync(frame, link, node, pool);
            case FrameKind.ReadReply:
                return ReadReply(frame, link, node, pool);
            case FrameKind.Ack:
                return Ack(frame, link, node);
            case FrameKind.Ignorable:
                return PeerMessageCodec.TryIgnore(frame, out FrameError damage) ? null : damage.ToString();
            default:
                if (!PeerMessageCodec.TryDecode(frame, out PeerMessage message, out FrameError error))
                    return error.ToString();
                node.Apply(new CoreEvent { Kind = CoreEventKind.PeerMessage, Link = link, Subject = message });
                return null;
        }
    }

    private static string? Changes(byte[] frame, LinkId link, SimNode node, BlockBufferPool pool)
    {
        if (!ChangesFrameReader.TryRead(frame, out ChangesFrameReader reader, out FrameError error))
            return error.ToString();
        if (!reader.VerifyCrc())
            return "a Changes frame's CRC-32C does not fit its data";
        BlockBuffer buffer = Rent(pool, frame.AsSpan(reader.DataOffset, reader.DataLength));
        SequenceNumber sequence = reader.FirstSequence;
        int at = 0;
        foreach (ChangeHeader header in reader)
        {
            node.Apply(new CoreEvent
            {
                Kind = CoreEventKind.PeerChange,
                Link = link,
                Sequence = sequence,
                Header = header,
                Subject = header.Kind == ChangeKind.Write ? buffer : null,
                Offset = at,
            });
            at += (int)header.PayloadLength;
            sequence = sequence.Next;
        }

        buffer.Release();
        return null;
    }

    private static string? Resync(byte[] frame, LinkId link, SimNode node, BlockBufferPool pool)
    {
        if (!ResyncDataFrameReader.TryRead(frame, out ResyncDataFrameReader reader, out FrameError error))
            return error.ToString();
        if (!reader.VerifyCrc())
            return "a ResyncData frame's CRC-32C does not fit its data";
        BlockBuffer buffer = Rent(pool, frame.AsSpan(reader.DataOffset, reader.DataLength));
        node.Apply(new CoreEvent
        {
            Kind = CoreEventKind.ResyncData,
            Link = link,
            Header = new ChangeHeader(
                reader.Zeroes ? ChangeKind.Zeroes : ChangeKind.Write, reader.Volume, reader.Range.Offset, reader.Range.Length, ChangeFlags.None),
            Subject = reader.Zeroes ? null : buffer,
            Applied = reader.Position,
        });
        buffer.Release();
        return null;
    }

    private static string? ReadReply(byte[] frame, LinkId link, SimNode node, BlockBufferPool pool)
    {
        if (!ReadReplyFrameReader.TryRead(frame, out ReadReplyFrameReader reader, out FrameError error))
            return error.ToString();
        if (!reader.VerifyCrc())
            return "a ReadReply frame's CRC-32C does not fit its data";
        BlockBuffer buffer = Rent(pool, frame.AsSpan(reader.DataOffset, reader.DataLength));
        node.Apply(new CoreEvent
        {
            Kind = CoreEventKind.ReadReplied,
            Link = link,
            Number = reader.Id,
            Result = new DiskResult(reader.Errno),
            Header = new ChangeHeader(ChangeKind.Write, default, 0, reader.Length, ChangeFlags.None),
            Subject = reader.RawLength > 0 ? buffer : null,
        });
        buffer.Release();
        return null;
    }

    private static string? Ack(byte[] frame, LinkId link, SimNode node)
    {
        if (!AckFrameReader.TryRead(frame, out AckFrameReader reader, out FrameError error))
            return error.ToString();
        node.Apply(new CoreEvent { Kind = CoreEventKind.PeerAck, Link = link, Sequence = reader.ReceivedSequence, Applied = reader.AppliedSequence });
        foreach (StableMark mark in reader)
            node.Apply(new CoreEvent { Kind = CoreEventKind.PeerStable, Link = link, Volume = mark.Volume, Sequence = mark.Sequence });
        return null;
    }

    private static BlockBuffer Rent(BlockBufferPool pool, ReadOnlySpan<byte> content)
    {
        BlockBuffer buffer = pool.Rent(content.Length, BufferPurpose.PeerReceive);
        content.CopyTo(buffer.Span);
        return buffer;
    }
}
