using System.Runtime.InteropServices;
using BlockRepl.Core;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Turns queued Send effects into frames: neighbouring changes share a frame, acknowledgements are merged into one at the end, everything else keeps its
/// place. One thread at a time (the drainer's). Allocates nothing for changes and acknowledgements.
/// </summary>
internal sealed class FrameBatcher
{
    // A batch is one message on the wire: large enough to be cheap, small enough not to delay an acknowledgement behind it.
    private const int BatchBytesMax = 1 << 20;
    private const int BatchChangesMax = 256;

    private readonly IPeerChannel _channel;
    private readonly BatchCompressor _compressor;
    private readonly byte[] _head = new byte[Math.Max(ChangesFrameWriter.HeadLengthMax(BatchChangesMax), AckFrameWriter.LengthMax(ProtocolLimits.VolumesMax))];
    private readonly PayloadSegment[] _segments = new PayloadSegment[BatchChangesMax];
    private readonly List<StableMark> _stable = new(16);

    public FrameBatcher(IPeerChannel channel, BatchCompressor compressor)
    {
        _channel = channel;
        _compressor = compressor;
    }

    /// <summary>Sends the effects in their order and releases their buffers.</summary>
    public void Send(List<Effect> effects)
    {
        Span<Effect> items = CollectionsMarshal.AsSpan(effects);
        SequenceNumber received = default;
        SequenceNumber applied = default;
        bool acknowledge = false;
        _stable.Clear();
        for (int i = 0; i < items.Length;)
        {
            ref Effect item = ref items[i];
            switch (item.Kind)
            {
                case EffectKind.SendChange:
                    i += SendChanges(items[i..]);
                    continue;
                case EffectKind.SendMessage:
                    // What was confirmed before a message must not come after it: after a farewell nobody would listen.
                    if (acknowledge)
                        SendAck(received, applied);
                    acknowledge = false;
                    SendMessage(item.Message);
                    break;
                case EffectKind.SendResyncData:
                    SendResyncData(item.Chunk);
                    break;
                case EffectKind.SendReadReply:
                    SendReadReply(item.Chunk, item.Result);
                    break;
                case EffectKind.SendAck:
                    received = item.Sequence;
                    applied = item.Applied;
                    acknowledge = true;
                    break;
                case EffectKind.SendStable:
                    AddStable(item.Volume, item.Sequence);
                    acknowledge = true;
                    break;
                default:
                    throw Check.Unreachable("an effect that sends nothing was queued on a link");
            }

            i++;
        }

        if (acknowledge)
            SendAck(received, applied);
    }

    /// <summary>Gives back what an effect that will not be sent holds.</summary>
    public static void ReleaseBuffer(in Effect effect)
    {
        if (effect.Kind == EffectKind.SendChange)
            effect.Buffer?.Release();
        else if (effect.Kind is EffectKind.SendResyncData or EffectKind.SendReadReply)
            effect.Chunk.Buffer?.Release();
    }

    private int SendChanges(Span<Effect> items)
    {
        var writer = new ChangesFrameWriter(_head);
        writer.Begin(items[0].Sequence);
        int count = 0;
        int segments = 0;
        int bytes = 0;
        while (count < items.Length && count < BatchChangesMax && items[count].Kind == EffectKind.SendChange)
        {
            ref Effect item = ref items[count];
            int length = checked((int)item.Header.PayloadLength);
            if (count > 0 && (bytes + length > BatchBytesMax || item.Sequence.Value != items[0].Sequence.Value + (ulong)count))
                break;
            writer.Add(item.Header);
            if (length > 0)
                _segments[segments++] = new PayloadSegment(item.Buffer!, item.BufferOffset, length);
            bytes += length;
            count++;
        }

        ReadOnlySpan<PayloadSegment> payload = _segments.AsSpan(0, segments);
        BlockBuffer? compressed = bytes > 0 ? _compressor.TryCompress(payload, bytes, _channel) : null;
        uint crc = writer.Seal(compressed is null ? CompressionKind.None : CompressionKind.Lz4, bytes);
        if (compressed is not null)
        {
            crc = Crc32C.Update(crc, compressed.Span);
            PayloadSegment whole = new(compressed, 0, compressed.Length);
            _channel.Send(writer.End(crc, compressed.Length), new ReadOnlySpan<PayloadSegment>(in whole));
            compressed.Release();
        }
        else
        {
            foreach (ref readonly PayloadSegment segment in payload)
                crc = Crc32C.Update(crc, segment.Buffer.Span.Slice(segment.Offset, segment.Length));
            _channel.Send(writer.End(crc, bytes), payload);
        }

        for (int i = 0; i < count; i++)
            items[i].Buffer?.Release();
        return count;
    }

    private void SendResyncData(ResyncChunk chunk)
    {
        var writer = new ResyncDataFrameWriter(_head);
        if (chunk.IsZeroes)
        {
            uint state = writer.Begin(chunk.Volume, chunk.Range, zeroes: true, CompressionKind.None, chunk.Position);
            _channel.Send(writer.End(state, 0), default);
            chunk.Buffer?.Release();
            return;
        }

        int length = checked((int)chunk.Range.Length);
        PayloadSegment plain = new(chunk.Buffer!, chunk.BufferOffset, length);
        BlockBuffer? compressed = _compressor.TryCompress(new ReadOnlySpan<PayloadSegment>(in plain), length, _channel);
        PayloadSegment sent = compressed is null ? plain : new PayloadSegment(compressed, 0, compressed.Length);
        uint crc = writer.Begin(
            chunk.Volume, chunk.Range, zeroes: false, compressed is null ? CompressionKind.None : CompressionKind.Lz4, chunk.Position);
        crc = Crc32C.Update(crc, sent.Buffer.Span.Slice(sent.Offset, sent.Length));
        _channel.Send(writer.End(crc, sent.Length), new ReadOnlySpan<PayloadSegment>(in sent));
        compressed?.Release();
        chunk.Buffer!.Release();
    }

    private void SendReadReply(ResyncChunk chunk, DiskResult result)
    {
        var writer = new ReadReplyFrameWriter(_head);
        int length = result.IsOk ? (int)chunk.Range.Length : 0;
        if (length == 0 || chunk.IsZeroes)
        {
            uint state = writer.Begin(chunk.Id, result, length, chunk.IsZeroes, CompressionKind.None);
            _channel.Send(writer.End(state, 0), default);
            chunk.Buffer?.Release();
            return;
        }

        PayloadSegment plain = new(chunk.Buffer!, chunk.BufferOffset, length);
        BlockBuffer? compressed = _compressor.TryCompress(new ReadOnlySpan<PayloadSegment>(in plain), length, _channel);
        PayloadSegment sent = compressed is null ? plain : new PayloadSegment(compressed, 0, compressed.Length);
        uint crc = writer.Begin(chunk.Id, result, length, zeroes: false, compressed is null ? CompressionKind.None : CompressionKind.Lz4);
        crc = Crc32C.Update(crc, sent.Buffer.Span.Slice(sent.Offset, sent.Length));
        _channel.Send(writer.End(crc, sent.Length), new ReadOnlySpan<PayloadSegment>(in sent));
        compressed?.Release();
        chunk.Buffer!.Release();
    }

    private void SendMessage(PeerMessage message) => _channel.Send(PeerMessageCodec.Encode(message), default);

    private void AddStable(VolumeNr volume, SequenceNumber sequence)
    {
        for (int i = 0; i < _stable.Count; i++)
        {
            if (_stable[i].Volume != volume)
                continue;
            if (_stable[i].Sequence < sequence)
                _stable[i] = new StableMark(volume, sequence);
            return;
        }

        _stable.Add(new StableMark(volume, sequence));
    }

    private void SendAck(SequenceNumber received, SequenceNumber applied)
    {
        var writer = new AckFrameWriter(_head);
        writer.Begin(received, applied);
        foreach (StableMark mark in CollectionsMarshal.AsSpan(_stable))
            writer.AddStable(mark.Volume, mark.Sequence);
        _channel.Send(writer.End(), default);
        _stable.Clear();
    }
}
