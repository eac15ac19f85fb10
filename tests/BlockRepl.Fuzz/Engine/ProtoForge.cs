using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Protocol.Tests;

namespace BlockRepl.Fuzz.Engine;

/// <summary>Changes frames as one who knows the format does: field by field, and puts a right checksum behind what it has made.</summary>
internal static class ProtoForge
{
    private sealed record Field(uint Number, int Wire, ulong Value, byte[] Bytes);

    /// <summary>A frame of any kind, often with wrong values and a right checksum.</summary>
    public static byte[] Frame(Prng chance) => chance.Below(6) switch
    {
        0 => Changes(chance),
        1 => Resync(chance),
        2 => ReadReply(chance),
        _ => Change(chance, PeerMessageCodec.Encode(chance.Pick(Samples.All))),
    };

    /// <summary>Changes fields of a frame with a checksum at its end; of the others makes new ones.</summary>
    public static byte[] Change(Prng chance, byte[] frame)
    {
        switch (PeerMessageCodec.PeekKind(frame))
        {
            case FrameKind.Changes:
                return Changes(chance);
            case FrameKind.ResyncData:
                return Resync(chance);
            case FrameKind.ReadReply:
                return ReadReply(chance);
            default:
                if (Parse(frame.AsSpan(0, frame.Length - ProtocolLimits.FrameCrcBytes)) is not { } fields)
                    return frame;
                for (int left = chance.Below(4); left > 0; left--)
                    Spoil(chance, fields, depth: 0);
                return Seal(Encode(fields));
        }
    }

    public static byte[] Seal(byte[] covered)
    {
        // Field 2047 as Fixed32, docs/peer-protocol.md.
        var whole = new List<byte>(covered);
        Varint(whole, ((ulong)ProtocolLimits.FrameCrcField << 3) | 5);
        whole.AddRange(BitConverter.GetBytes(Crc32C.Compute(covered)));
        return [.. whole];
    }

    private static byte[] Changes(Prng chance)
    {
        // Sixteen and more pieces, ranges that overlap, ranges beyond every volume.
        var changes = new ChangeHeader[1 + chance.Below(6)];
        int bytes = 0;
        for (int i = 0; i < changes.Length; i++)
        {
            var kind = (ChangeKind)chance.Below(4);
            long length = kind == ChangeKind.Write ? 1 + chance.Below(8192) : (long)(chance.Number() % (ulong)ProtocolLimits.RangeBytesMax);
            long offset = chance.OneIn(3) ? (long)(chance.Number() >> 1) : chance.Below(1 << 24);
            if (kind == ChangeKind.Flush)
                (offset, length) = (0, 0);
            offset = Math.Min(offset, long.MaxValue - length);
            var flags = (ChangeFlags)chance.Below(8);
            changes[i] = new ChangeHeader(kind, new VolumeNr(chance.OneIn(6) ? (ushort)chance.Number() : (ushort)0), offset, length, flags);
            bytes += (int)changes[i].PayloadLength;
        }

        return Samples.ChangesFrame(changes, new byte[bytes], CompressionKind.None, bytes, Math.Max(1, chance.OneIn(2) ? (ulong)chance.Below(50) : chance.Number()));
    }

    private static byte[] Resync(Prng chance)
    {
        int length = 1 + chance.Below(8192);
        bool zeroes = chance.OneIn(3);
        var range = new ByteRange(Math.Min(chance.OneIn(3) ? (long)(chance.Number() >> 1) : chance.Below(1 << 24), long.MaxValue - length), length);
        return Samples.ResyncFrame(range, zeroes, zeroes ? [] : new byte[length], CompressionKind.None, chance.Number());
    }

    private static byte[] ReadReply(Prng chance)
    {
        int length = 1 + chance.Below(8192);
        return chance.OneIn(3)
            ? Samples.ReadReplyFrame(chance.Number(), 1 + chance.Below(100), 0, false, [], CompressionKind.None)
            : Samples.ReadReplyFrame(chance.Number(), 0, length, false, new byte[length], CompressionKind.None);
    }

    private static void Spoil(Prng chance, List<Field> fields, int depth)
    {
        if (fields.Count == 0)
            return;
        int at = chance.Below(fields.Count);
        Field field = fields[at];
        switch (chance.Below(8))
        {
            case 0:
                fields.RemoveAt(at);
                break;
            case 1:
                fields.Insert(at, field);
                break;
            case 2:
                int other = chance.Below(fields.Count);
                (fields[at], fields[other]) = (fields[other], field);
                break;
            case 3 when depth > 0:
                fields.Insert(at, field with { Number = 1 + (uint)chance.Below(24) });
                break;
            default:
                if (field.Wire != 2)
                    fields[at] = field with { Value = field.Wire == 5 ? (uint)chance.Number() : chance.Number() };
                else if (Parse(field.Bytes) is { Count: > 0 } inner && (depth == 0 || chance.OneIn(2)))
                {
                    Spoil(chance, inner, depth + 1);
                    fields[at] = field with { Bytes = Encode(inner) };
                }
                else
                    fields[at] = field with { Bytes = field.Bytes.Length == 0 ? chance.Bytes(chance.Below(9)) : chance.Spoil(field.Bytes) };
                break;
        }
    }

    private static List<Field>? Parse(ReadOnlySpan<byte> bytes)
    {
        List<Field> fields = [];
        while (!bytes.IsEmpty)
        {
            if (!TryVarint(ref bytes, out ulong tag) || tag >> 3 is 0 or > int.MaxValue)
                return null;
            var (wire, number) = ((int)(tag & 7), (uint)(tag >> 3));
            ulong value = 0;
            byte[] content = [];
            int size = wire switch { 1 => 8, 5 => 4, _ => 0 };
            if (wire is 0 or 2 && !TryVarint(ref bytes, out value))
                return null;
            if (wire == 2)
                size = value <= (ulong)bytes.Length ? (int)value : -1;
            if (wire is 3 or 4 or 6 or 7 || size < 0 || size > bytes.Length)
                return null;
            if (wire == 2)
                content = bytes[..size].ToArray();
            else if (size > 0)
                value = size == 8 ? BitConverter.ToUInt64(bytes) : BitConverter.ToUInt32(bytes);
            bytes = bytes[size..];
            fields.Add(new Field(number, wire, value, content));
        }

        return fields;
    }

    private static byte[] Encode(List<Field> fields)
    {
        List<byte> bytes = [];
        foreach (Field field in fields)
        {
            Varint(bytes, ((ulong)field.Number << 3) | (uint)field.Wire);
            switch (field.Wire)
            {
                case 0:
                    Varint(bytes, field.Value);
                    break;
                case 1:
                    bytes.AddRange(BitConverter.GetBytes(field.Value));
                    break;
                case 5:
                    bytes.AddRange(BitConverter.GetBytes((uint)field.Value));
                    break;
                default:
                    Varint(bytes, (ulong)field.Bytes.Length);
                    bytes.AddRange(field.Bytes);
                    break;
            }
        }

        return [.. bytes];
    }

    private static void Varint(List<byte> bytes, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }

    private static bool TryVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (int i = 0; i < Math.Min(10, bytes.Length); i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if ((bytes[i] & 0x80) == 0)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }

        return false;
    }
}
