using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>The bodies of a comparison's frames, both ways. Errors stay in the reader.</summary>
internal static class VerifyMessageCodec
{
    public static int LengthMax(VerifyControlMessage message) =>
        4 + 2 + (9 * ProtoWriter.VarintBytesMax) + 12 + 4 + (message.Ranges.Length * 2 * ProtoWriter.VarintBytesMax) + 3 + ProtocolLimits.TextBytesMax;

    public static int LengthMax(VerifyRangeMessage message) => 4 + (4 * (1 + ProtoWriter.VarintBytesMax)) + 4 + message.Digests.Length;

    public static void Write(ref ProtoWriter writer, VerifyControlMessage m)
    {
        Check.That(m.Ranges.Length <= ProtocolLimits.VerifyRangesMax, "too many ranges");
        writer.UInt64(1, m.Nr.Value);
        writer.UInt64(2, (ulong)m.Action);
        writer.UInt64(3, m.Id);
        writer.Int64(4, m.Range.Offset);
        writer.Int64(5, m.Range.Length);
        writer.Bool(6, m.Repair);
        writer.UInt64(7, m.Flush);
        writer.Int64(8, m.Position);
        writer.Int64(9, m.Different);
        writer.Int64(10, m.Repaired);
        if (m.Ranges.Length > 0)
        {
            ulong length = 0;
            foreach (ByteRange range in m.Ranges)
                length += (ulong)(ProtoWriter.VarintLength((ulong)range.Offset) + ProtoWriter.VarintLength((ulong)range.Length));
            writer.Tag(11, WireType.Bytes);
            writer.Varint(length);
            foreach (ByteRange range in m.Ranges)
            {
                writer.Varint((ulong)range.Offset);
                writer.Varint((ulong)range.Length);
            }
        }

        writer.Text(12, m.Text);
    }

    public static void Write(ref ProtoWriter writer, VerifyRangeMessage m)
    {
        writer.UInt64(1, m.Nr.Value);
        writer.UInt64(2, m.Id);
        writer.UInt64(3, m.Number);
        writer.Int64(4, m.Range.Offset);
        writer.Int64(5, m.Range.Length);
        writer.Bytes(6, m.Digests);
    }

    public static void Write(ref ProtoWriter writer, VerifyResultMessage m)
    {
        writer.UInt64(1, m.Nr.Value);
        writer.UInt64(2, m.Id);
        writer.UInt64(3, m.Number);
        writer.Fixed64(4, m.Different);
    }

    public static VerifyControlMessage Control(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        var action = VerifyAction.Ask;
        ulong id = 0, offset = 0, length = 0, flush = 0, position = 0, different = 0, repaired = 0;
        bool repair = false;
        var ranges = new List<ulong>();
        string text = "";
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 2:
                    action = (VerifyAction)reader.UInt64("action", (ulong)VerifyAction.Stop);
                    break;
                case 3:
                    id = reader.UInt64("id");
                    break;
                case 4:
                    offset = reader.UInt64("offset", long.MaxValue);
                    break;
                case 5:
                    length = reader.UInt64("length", long.MaxValue);
                    break;
                case 6:
                    repair = reader.Bool("repair");
                    break;
                case 7:
                    flush = reader.UInt64("flush");
                    break;
                case 8:
                    position = reader.UInt64("position", long.MaxValue);
                    break;
                case 9:
                    different = reader.UInt64("different", ProtocolLimits.BlocksMax);
                    break;
                case 10:
                    repaired = reader.UInt64("repaired", ProtocolLimits.BlocksMax);
                    break;
                case 11:
                    ReadRanges(ref reader, ranges);
                    break;
                case 12:
                    text = reader.Text("text");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return new VerifyControlMessage(nr, action, id)
        {
            Range = Range(ref reader, offset, length),
            Repair = repair,
            Flush = flush,
            Position = (long)position,
            Different = (long)different,
            Repaired = (long)repaired,
            Ranges = Pairs(ref reader, ranges),
            Text = text,
        };
    }

    public static VerifyRangeMessage RangeDigests(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong id = 0, number = 0, offset = 0, length = 0;
        byte[] digests = [];
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 2:
                    id = reader.UInt64("id");
                    break;
                case 3:
                    number = reader.UInt64("number");
                    break;
                case 4:
                    offset = reader.UInt64("offset", long.MaxValue);
                    break;
                case 5:
                    length = reader.UInt64("length", long.MaxValue);
                    break;
                case 6:
                    digests = reader.Bytes("digests").ToArray();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        ByteRange range = Range(ref reader, offset, length);
        if (range.Length == 0 || (range.Offset & (Block.Size - 1)) != 0)
            reader.Fail(FrameErrorCode.BadValue, "range");
        else if (range.BlockCount > BlockDigest.BlocksMax)
            reader.Fail(FrameErrorCode.LimitExceeded, "blocks of a range");
        else if (digests.Length != range.BlockCount * BlockDigest.Length)
            reader.Fail(FrameErrorCode.BadValue, "digests");
        return new VerifyRangeMessage(nr, id, number, range, digests);
    }

    public static VerifyResultMessage Result(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong id = 0, number = 0, different = 0;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 2:
                    id = reader.UInt64("id");
                    break;
                case 3:
                    number = reader.UInt64("number");
                    break;
                case 4:
                    different = reader.Fixed64("different");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return new VerifyResultMessage(nr, id, number, different);
    }

    /// <summary>A message without fields, as of this version.</summary>
    public static BehindMessage Behind(ref ProtoReader reader)
    {
        while (reader.Next(out _))
            reader.Skip();
        return new BehindMessage();
    }

    private static ByteRange Range(ref ProtoReader reader, ulong offset, ulong length)
    {
        if (offset <= long.MaxValue - length)
            return new ByteRange((long)offset, (long)length);
        reader.Fail(FrameErrorCode.BadValue, "range");
        return default;
    }

    private static void ReadRanges(ref ProtoReader reader, List<ulong> numbers)
    {
        if (reader.Type == WireType.Varint)
        {
            Add(ref reader, reader.UInt64("ranges"));
            return;
        }

        ReadOnlySpan<byte> packed = reader.Bytes("ranges");
        var inner = new ProtoReader(packed, reader.Position - packed.Length);
        while (!inner.Failed && inner.Position < packed.Length)
            Add(ref inner, inner.Varint("ranges"));
        reader.Adopt(inner);

        void Add(ref ProtoReader from, ulong number)
        {
            if (numbers.Count == 2 * ProtocolLimits.VerifyRangesMax)
                from.Fail(FrameErrorCode.LimitExceeded, "ranges");
            else if (number > long.MaxValue)
                from.Fail(FrameErrorCode.BadValue, "ranges");
            else
                numbers.Add(number);
        }
    }

    private static ImmutableArray<ByteRange> Pairs(ref ProtoReader reader, List<ulong> numbers)
    {
        if (numbers.Count % 2 != 0)
        {
            reader.Fail(FrameErrorCode.BadValue, "ranges");
            return [];
        }

        var ranges = ImmutableArray.CreateBuilder<ByteRange>(numbers.Count / 2);
        for (int i = 0; i < numbers.Count; i += 2)
            ranges.Add(Range(ref reader, numbers[i], numbers[i + 1]));
        return ranges.MoveToImmutable();
    }
}
