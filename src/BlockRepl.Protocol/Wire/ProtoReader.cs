using System.Buffers.Binary;
using System.Text;

namespace BlockRepl.Protocol.Wire;

/// <summary>
/// Reads protobuf fields from untrusted bytes. The first error sticks: from then on <see cref="Next"/> says that there is
/// nothing more and every read gives zero, so a parser checks <see cref="Error"/> once, at its end. Never throws.
/// </summary>
internal ref struct ProtoReader
{
    private readonly ReadOnlySpan<byte> _data;
    private readonly int _origin;
    private WireType _type;
    private int _unknown;

    /// <param name="data">The message.</param>
    /// <param name="origin">Where it lies in the frame, for errors.</param>
    public ProtoReader(ReadOnlySpan<byte> data, int origin = 0)
    {
        _data = data;
        _origin = origin;
    }

    /// <summary>The first error.</summary>
    public FrameError Error { get; private set; }

    /// <summary>Offset of the next byte in the message.</summary>
    public int Position { get; private set; }

    /// <summary>Offset, within the message, of the tag that <see cref="Next"/> read last.</summary>
    public int FieldStart { get; private set; }

    /// <summary>Wire type of the current field.</summary>
    public readonly WireType Type => _type;

    public readonly bool Failed => Error.Code != FrameErrorCode.None;

    /// <summary>Goes to the next field; false at the end and after an error.</summary>
    public bool Next(out uint field)
    {
        field = 0;
        if (Failed || Position == _data.Length)
            return false;
        FieldStart = Position;
        ulong tag = Varint("a tag");
        if (Failed)
            return false;
        if (tag >> 3 is 0 or > 0x1FFFFFFF)
            return Fail(FrameErrorCode.Malformed, "a field number out of range");
        _type = (WireType)(tag & 7);
        if (_type is not (WireType.Varint or WireType.Fixed64 or WireType.Bytes or WireType.Fixed32))
            return Fail(FrameErrorCode.Malformed, "a wire type that proto3 does not have");
        field = (uint)(tag >> 3);
        return true;
    }

    public ulong UInt64(string what) => Expect(WireType.Varint, what) ? Varint(what) : 0;

    /// <summary>A number that must fit below or at <paramref name="max"/>.</summary>
    public ulong UInt64(string what, ulong max, FrameErrorCode code = FrameErrorCode.BadValue)
    {
        ulong value = UInt64(what);
        if (value <= max)
            return value;
        Fail(code, what);
        return 0;
    }

    public uint UInt32(string what) => (uint)UInt64(what, uint.MaxValue);

    public int SInt32(string what)
    {
        uint value = UInt32(what);
        return (int)(value >> 1) ^ -(int)(value & 1);
    }

    public bool Bool(string what) => UInt64(what) != 0;

    public uint Fixed32(string what)
    {
        if (!Expect(WireType.Fixed32, what) || !Has(sizeof(uint), what))
            return 0;
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(_data[Position..]);
        Position += sizeof(uint);
        return value;
    }

    public ulong Fixed64(string what) => Expect(WireType.Fixed64, what) ? RawFixed64(what) : 0;

    /// <summary>A fixed64 without a tag: an element of a packed field.</summary>
    public ulong RawFixed64(string what)
    {
        if (!Has(sizeof(ulong), what))
            return 0;
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(_data[Position..]);
        Position += sizeof(ulong);
        return value;
    }

    /// <summary>A varint without a tag: an element of a packed field.</summary>
    public ulong Varint(string what)
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (!Has(1, what))
                return 0;
            byte b = _data[Position++];
            if (shift == 63 && b > 1)
                break;
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }

        Fail(FrameErrorCode.Malformed, "a number longer than 64 bits");
        return 0;
    }

    /// <summary>A length-delimited field's content.</summary>
    public ReadOnlySpan<byte> Bytes(string what)
    {
        if (!Expect(WireType.Bytes, what))
            return default;
        ulong length = Varint(what);
        if (Failed || !Has(length, what))
            return default;
        ReadOnlySpan<byte> bytes = _data.Slice(Position, (int)length);
        Position += (int)length;
        return bytes;
    }

    /// <summary>A message field; hand its error back with <see cref="Adopt"/>.</summary>
    public ProtoReader Message(string what)
    {
        ReadOnlySpan<byte> bytes = Bytes(what);
        return new ProtoReader(bytes, _origin + Position - bytes.Length);
    }

    /// <summary>Takes over an inner reader's error.</summary>
    public void Adopt(in ProtoReader inner)
    {
        if (inner.Failed && !Failed)
            Error = inner.Error;
    }

    /// <summary>A name: UTF-8, 1 to 128 bytes, no control characters.</summary>
    public string Name(string what)
    {
        ReadOnlySpan<byte> bytes = Bytes(what);
        if (Failed)
            return "";
        if (bytes.Length > ProtocolLimits.NameBytesMax)
            Fail(FrameErrorCode.LimitExceeded, what);
        else if (bytes.Length == 0 || !IsCleanUtf8(bytes))
            Fail(FrameErrorCode.BadValue, what);
        return Failed ? "" : Encoding.UTF8.GetString(bytes);
    }

    /// <summary>A sentence for people: UTF-8, at most 1024 bytes; control characters become spaces.</summary>
    public string Text(string what)
    {
        ReadOnlySpan<byte> bytes = Bytes(what);
        if (bytes.Length > ProtocolLimits.TextBytesMax)
            Fail(FrameErrorCode.LimitExceeded, what);
        else if (!System.Text.Unicode.Utf8.IsValid(bytes))
            Fail(FrameErrorCode.BadValue, what);
        if (Failed)
            return "";
        return string.Create(Encoding.UTF8.GetCharCount(bytes), bytes, static (chars, utf8) =>
        {
            Encoding.UTF8.GetChars(utf8, chars);
            foreach (ref char c in chars)
            {
                if (char.IsControl(c))
                    c = ' ';
            }
        });
    }

    /// <summary>Passes over a field that this version does not know.</summary>
    public void Skip()
    {
        if (++_unknown > ProtocolLimits.UnknownFieldsMax)
        {
            Fail(FrameErrorCode.LimitExceeded, "unknown fields");
            return;
        }

        switch (_type)
        {
            case WireType.Varint:
                Varint("an unknown field");
                break;
            case WireType.Fixed64:
                RawFixed64("an unknown field");
                break;
            case WireType.Fixed32:
                Fixed32("an unknown field");
                break;
            default:
                Bytes("an unknown field");
                break;
        }
    }

    /// <summary>Keeps the first error; always false.</summary>
    public bool Fail(FrameErrorCode code, string what)
    {
        if (!Failed)
            Error = new FrameError(code, what, _origin + Position);
        return false;
    }

    private static bool IsCleanUtf8(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            if (b is < 0x20 or 0x7F)
                return false;
        }

        return System.Text.Unicode.Utf8.IsValid(bytes);
    }

    private bool Expect(WireType type, string what) =>
        !Failed && (_type == type || Fail(FrameErrorCode.Malformed, what));

    private bool Has(ulong bytes, string what) =>
        !Failed && (bytes <= (ulong)(_data.Length - Position) || Fail(FrameErrorCode.Truncated, what));
}
