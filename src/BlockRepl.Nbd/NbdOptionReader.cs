using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace BlockRepl.Nbd;

/// <summary>Reads option data; after the first failure everything fails.</summary>
internal ref struct NbdOptionReader(ReadOnlySpan<byte> data)
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);
    private ReadOnlySpan<byte> _rest = data;
    private bool _failed;

    public readonly bool IsAtEnd => !_failed && _rest.IsEmpty;

    public bool TryReadUInt16(out ushort value)
    {
        bool isThere = TryTake(sizeof(ushort), out ReadOnlySpan<byte> bytes);
        value = isThere ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : (ushort)0;
        return isThere;
    }

    public bool TryReadUInt32(out uint value)
    {
        bool isThere = TryTake(sizeof(uint), out ReadOnlySpan<byte> bytes);
        value = isThere ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : 0;
        return isThere;
    }

    /// <summary>A string with its length in front.</summary>
    public bool TryReadString([NotNullWhen(true)] out string? value)
    {
        value = null;
        return TryReadUInt32(out uint length) && TryTake(length, out ReadOnlySpan<byte> bytes)
            && TryDecodeString(bytes, out value);
    }

    /// <summary>proto.md "Values": UTF-8, no NUL, at most 4096 bytes.</summary>
    public static bool TryDecodeString(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out string? value)
    {
        value = null;
        if (bytes.Length > NbdLimits.StringBytesMax || bytes.Contains((byte)0))
            return false;
        try
        {
            value = StrictUtf8.GetString(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    private bool TryTake(uint count, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        _failed |= count > (uint)_rest.Length;
        if (_failed)
            return false;
        bytes = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return true;
    }
}
