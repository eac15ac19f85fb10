using System.Buffers.Binary;
using System.Text;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>
/// Writes protobuf fields into a span that its owner made large enough; too small a span is a bug. Fields with proto3's
/// default value are left out, in field order, so the bytes are those that any protobuf library would write.
/// </summary>
internal ref struct ProtoWriter(Span<byte> buffer)
{
    /// <summary>Longest encoding of a 64-bit number.</summary>
    public const int VarintBytesMax = 10;

    private readonly Span<byte> _buffer = buffer;

    /// <summary>Bytes written so far.</summary>
    public int Position { get; set; }

    /// <summary>What was written.</summary>
    public readonly Span<byte> Written => _buffer[..Position];

    /// <summary>Bytes that a number takes.</summary>
    public static int VarintLength(ulong value)
    {
        int length = 1;
        while (value >= 0x80)
        {
            value >>= 7;
            length++;
        }

        return length;
    }

    public void Varint(ulong value)
    {
        int at = Position;
        while (value >= 0x80)
        {
            _buffer[at++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _buffer[at++] = (byte)value;
        Position = at;
    }

    public void Tag(uint field, WireType type) => Varint(((ulong)field << 3) | (byte)type);

    public void UInt64(uint field, ulong value)
    {
        if (value == 0)
            return;
        Tag(field, WireType.Varint);
        Varint(value);
    }

    public void Int64(uint field, long value)
    {
        Check.That(value >= 0, "no field of the protocol is negative");
        UInt64(field, (ulong)value);
    }

    public void SInt32(uint field, int value) => UInt64(field, (uint)((value << 1) ^ (value >> 31)));

    public void Bool(uint field, bool value) => UInt64(field, value ? 1UL : 0UL);

    public void Fixed32(uint field, uint value)
    {
        if (value == 0)
            return;
        Tag(field, WireType.Fixed32);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer[Position..], value);
        Position += sizeof(uint);
    }

    public void Fixed64(uint field, ulong value)
    {
        if (value == 0)
            return;
        Tag(field, WireType.Fixed64);
        RawFixed64(value);
    }

    public void RawFixed64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer[Position..], value);
        Position += sizeof(ulong);
    }

    /// <summary>Bytes; left out when there are none.</summary>
    public void Bytes(uint field, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return;
        Tag(field, WireType.Bytes);
        Varint((ulong)value.Length);
        value.CopyTo(_buffer[Position..]);
        Position += value.Length;
    }

    /// <summary>A name; its length is the caller's promise.</summary>
    public void Name(uint field, string value)
    {
        int length = Encoding.UTF8.GetByteCount(value);
        Check.That(length is > 0 and <= ProtocolLimits.NameBytesMax, "a name is 1 to 128 bytes");
        Utf8(field, value, length);
    }

    /// <summary>A sentence, cut at <see cref="ProtocolLimits.TextBytesMax"/> between two characters.</summary>
    public void Text(uint field, string value)
    {
        ReadOnlySpan<char> text = value;
        int length = 0;
        int chars = 0;
        while (chars < text.Length)
        {
            Rune.DecodeFromUtf16(text[chars..], out Rune rune, out int consumed);
            if (length + rune.Utf8SequenceLength > ProtocolLimits.TextBytesMax)
                break;
            length += rune.Utf8SequenceLength;
            chars += consumed;
        }

        if (chars > 0)
            Utf8(field, text[..chars], length);
    }

    /// <summary>
    /// Begins a message field whose length is not known yet; <see cref="EndMessage"/> moves the content to where it belongs.
    /// </summary>
    public int BeginMessage(uint field)
    {
        Tag(field, WireType.Bytes);
        int mark = Position;
        // Room for the longest length there can be here; moved back together at the end.
        Position += 5;
        return mark;
    }

    public void EndMessage(int mark)
    {
        int start = mark + 5;
        int length = Position - start;
        Position = mark;
        Varint((ulong)length);
        _buffer.Slice(start, length).CopyTo(_buffer[Position..]);
        Position += length;
    }

    private void Utf8(uint field, ReadOnlySpan<char> value, int length)
    {
        Tag(field, WireType.Bytes);
        Varint((ulong)length);
        Position += Encoding.UTF8.GetBytes(value, _buffer[Position..]);
    }
}
