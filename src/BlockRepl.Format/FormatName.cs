using System.Text;
using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>A name in a fixed field: a length byte, the UTF-8 bytes, zeroes.</summary>
internal static class FormatName
{
    // Strict both ways: a name that is not UTF-8 is malformed, not a name with question marks.
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Writes a name into a field that is all zeroes.</summary>
    public static void Write(Span<byte> field, string name, int bytesMax)
    {
        int length = Utf8.GetByteCount(name);
        Check.That(length <= bytesMax, "a name longer than the format holds");
        field[0] = (byte)length;
        Utf8.GetBytes(name, field[1..]);
    }

    /// <summary>Reads a name; null if the field is none.</summary>
    public static string? Read(ReadOnlySpan<byte> field, int bytesMax)
    {
        int length = field[0];
        if (length > bytesMax || field[(1 + length)..].ContainsAnyExcept((byte)0))
            return null;
        try
        {
            return Utf8.GetString(field.Slice(1, length));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
