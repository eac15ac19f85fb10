using System.Buffers.Binary;

namespace BlockRepl.Sim;

/// <summary>
/// What a build of protocol version 1 accepts of a frame, written down from that build's own definition and apart from today's codec (G15). New optional fields pass, because
/// version 1 passes over them; a frame, an enumeration's value or a flag that came later does not.
/// </summary>
public static class Version1Rules
{
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Bytes = 2;
    private const int Fixed32 = 5;
    private const int UnknownFieldsMax = 64;
    private const int ChecksumField = 2047;

    private static readonly Message Volume = new(new() { [1] = Number, [2] = Number, [3] = Number });
    private static readonly Message NumberAndId = new(new() { [1] = Number, [2] = Number });
    private static readonly Message NumberOnly = new(new() { [1] = Number });

    private static readonly Message VolumeState = new(new()
    {
        [1] = Number,
        [2] = Blob,
        [3] = Number,
        [4] = DiskState,
        [5] = Id,
        [6] = Id,
        [7] = Blob,
        [8] = Number,
        [9] = Number,
        [10] = Blob,
    });

    private static readonly Message Change = new(new() { [1] = UpTo(3), [2] = Number, [3] = Number, [4] = Number, [5] = UpTo(7) });
    private static readonly Message VolumeStatus = new(new() { [1] = Number, [2] = DiskState, [3] = Number });

    private static readonly Dictionary<int, Message> Bodies = new()
    {
        [1] = new(new() { [1] = Fixed32Field, [2] = Number, [3] = Number, [4] = Id, [5] = Blob, [6] = Blob, [7] = Blob, [8] = Id }),
        [2] = new(new() { [1] = Number, [2] = Nested(Change), [3] = UpTo(1), [4] = Number, [5] = Fixed32Field, [15] = Blob }),
        [3] = new(new() { [1] = Number, [2] = Number, [3] = Nested(NumberAndId) }),
        [4] = new(new() { [1] = Number, [2] = Number, [3] = Number, [4] = Number, [5] = UpTo(1), [6] = Fixed32Field, [15] = Blob }),
        [5] = NumberOnly,
        [6] = new(new() { [1] = UpTo(2), [2] = Between(1, 3), [3] = Nested(VolumeState), [4] = Number, [5] = Number }),
        [7] = new(new() { [1] = Nested(Volume) }),
        [8] = new(new() { [1] = Number, [2] = Number, [3] = Blob, [4] = Number }),
        [9] = new(new() { [1] = Number, [2] = Id, [3] = Number }),
        [10] = NumberOnly,
        [11] = NumberAndId,
        [12] = NumberAndId,
        [13] = NumberAndId,
        [14] = new(new() { [1] = Number, [2] = Id, [3] = Blob }),
        [15] = NumberOnly,
        [16] = new(new() { [1] = UpTo(2), [2] = Nested(VolumeStatus) }),
        [17] = new(new() { [1] = Number, [2] = UpTo(2) }),
        [18] = new(new() { [1] = Number, [2] = Number, [3] = Blob }),
        [19] = new(new() { [1] = Number, [2] = Number, [3] = Number, [4] = Number, [5] = Number }),
        [20] = new(new() { [1] = Number, [2] = Blob }),
    };

    private delegate string? Rule(int wireType, ulong value, ReadOnlySpan<byte> content);

    private sealed record Message(Dictionary<int, Rule> Fields);

    /// <summary>Why a version 1 build would not take the frame; null if it would.</summary>
    public static string? Refuse(ReadOnlySpan<byte> frame)
    {
        int position = 0;
        if (!TryField(frame, ref position, out int body, out int wireType, out _, out ReadOnlySpan<byte> content) || wireType != Bytes)
            return "it does not begin with a body";
        if (body >= 64 && body < ChecksumField)
            return null;
        if (!Bodies.TryGetValue(body, out Message? message))
            return $"frame number {body} came after version 1";
        if (body is 2 or 4)
            return position == frame.Length ? Walk(message, content) : "something stands behind the data";
        if (!TryField(frame, ref position, out int checksum, out wireType, out ulong crc, out _) || checksum != ChecksumField || wireType != Fixed32 || position != frame.Length)
            return "the checksum is not the last field";
        return crc == Primitives.Crc32C.Compute(frame[..^6]) ? Walk(message, content) : "the checksum is wrong";
    }

    /// <summary>The number of a frame's body; 0 if there is none.</summary>
    public static int BodyOf(ReadOnlySpan<byte> frame)
    {
        int position = 0;
        return TryField(frame, ref position, out int body, out _, out _, out _) ? body : 0;
    }

    /// <summary>The newest version that a Hello offers.</summary>
    public static ulong NewestOffered(ReadOnlySpan<byte> hello)
    {
        int position = 0;
        TryField(hello, ref position, out _, out _, out _, out ReadOnlySpan<byte> content);
        position = 0;
        while (TryField(content, ref position, out int field, out _, out ulong value, out _))
        {
            if (field == 3)
                return value;
        }

        return 0;
    }

    private static string? Walk(Message message, ReadOnlySpan<byte> content)
    {
        int unknown = 0;
        int position = 0;
        while (position < content.Length)
        {
            if (!TryField(content, ref position, out int field, out int wireType, out ulong value, out ReadOnlySpan<byte> inner))
                return "it is not well formed";
            if (message.Fields.TryGetValue(field, out Rule? rule))
            {
                if (rule(wireType, value, inner) is { } wrong)
                    return $"field {field}: {wrong}";
            }
            else if (++unknown > UnknownFieldsMax)
            {
                return "more unknown fields than version 1 passes over";
            }
        }

        return null;
    }

    private static bool TryField(
        ReadOnlySpan<byte> source, ref int position, out int field, out int wireType, out ulong value, out ReadOnlySpan<byte> content)
    {
        value = 0;
        content = default;
        field = wireType = 0;
        if (!TryVarint(source, ref position, out ulong tag))
            return false;
        field = (int)(tag >> 3);
        wireType = (int)(tag & 7);
        switch (wireType)
        {
            case Varint:
                return TryVarint(source, ref position, out value);
            case Fixed64 when position + 8 <= source.Length:
                value = BinaryPrimitives.ReadUInt64LittleEndian(source[position..]);
                position += 8;
                return true;
            case Fixed32 when position + 4 <= source.Length:
                value = BinaryPrimitives.ReadUInt32LittleEndian(source[position..]);
                position += 4;
                return true;
            case Bytes when TryVarint(source, ref position, out value) && value <= (ulong)(source.Length - position):
                content = source.Slice(position, (int)value);
                position += (int)value;
                return true;
            default:
                return false;
        }
    }

    private static bool TryVarint(ReadOnlySpan<byte> source, ref int position, out ulong value)
    {
        value = 0;
        for (int shift = 0; shift < 70 && position < source.Length; shift += 7)
        {
            byte part = source[position++];
            value |= (ulong)(part & 0x7F) << shift;
            if ((part & 0x80) == 0)
                return true;
        }

        return false;
    }

    private static string? Number(int wireType, ulong value, ReadOnlySpan<byte> content) => Of(wireType, Varint);

    private static string? Id(int wireType, ulong value, ReadOnlySpan<byte> content) => Of(wireType, Fixed64);

    private static string? Fixed32Field(int wireType, ulong value, ReadOnlySpan<byte> content) => Of(wireType, Fixed32);

    private static string? Blob(int wireType, ulong value, ReadOnlySpan<byte> content) => Of(wireType, Bytes);

    private static string? DiskState(int wireType, ulong value, ReadOnlySpan<byte> content) =>
        Of(wireType, Varint) ?? (value <= 8 ? null : $"disk state {value} came after version 1");

    private static Rule UpTo(ulong most) => Between(0, most);

    private static Rule Between(ulong least, ulong most) => (wireType, value, _) =>
        Of(wireType, Varint) ?? (value >= least && value <= most ? null : $"value {value} came after version 1");

    private static Rule Nested(Message message) => (wireType, _, content) => Of(wireType, Bytes) ?? Walk(message, content);

    private static string? Of(int found, int expected) => found == expected ? null : $"wire type {found}, not {expected}";
}
