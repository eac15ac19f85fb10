namespace BlockRepl.Rpc.Http2;

/// <summary>
/// The Huffman code of RFC 7541 appendix B, decoding only. The code is canonical: the lengths decide it, symbols of one length
/// follow each other in order.
/// </summary>
internal static class HpackHuffman
{
    private const int EndOfString = 256;
    private const int LengthMax = 30;

    // Length in bits of each symbol's code, the end-of-string symbol last.
    private static ReadOnlySpan<byte> Lengths =>
    [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
        28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
        5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
        6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
        24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
        21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
        19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
        26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    ];

    private static readonly ushort[] Symbols = SortSymbols();
    private static readonly int[] Counts = CountLengths();

    /// <summary>Decodes a string; null when it is not one (bad padding, the end-of-string symbol, too long).</summary>
    public static string? Decode(ReadOnlySpan<byte> data, int charsMax)
    {
        var text = new System.Text.StringBuilder();
        int code = 0, first = 0, index = 0, length = 0;
        uint padding = 1;
        foreach (byte b in data)
        {
            for (int bit = 7; bit >= 0; bit--)
            {
                int value = (b >> bit) & 1;
                code |= value;
                padding = (padding << 1) | (uint)value;
                length++;
                int count = Counts[length];
                if (code - first < count)
                {
                    int symbol = Symbols[index + code - first];
                    if (symbol == EndOfString || text.Length == charsMax)
                        return null;
                    text.Append((char)symbol);
                    (code, first, index, length, padding) = (0, 0, 0, 0, 1);
                    continue;
                }

                if (length == LengthMax)
                    return null;
                index += count;
                first = (first + count) << 1;
                code <<= 1;
            }
        }

        // What is left is padding: fewer than eight bits, all of them ones.
        return length < 8 && padding == (1u << (length + 1)) - 1 ? text.ToString() : null;
    }

    private static ushort[] SortSymbols()
    {
        var symbols = new List<ushort>();
        for (int length = 1; length <= LengthMax; length++)
        {
            for (ushort symbol = 0; symbol < Lengths.Length; symbol++)
            {
                if (Lengths[symbol] == length)
                    symbols.Add(symbol);
            }
        }

        return [.. symbols];
    }

    private static int[] CountLengths()
    {
        var counts = new int[LengthMax + 1];
        foreach (byte length in Lengths)
            counts[length]++;
        return counts;
    }
}
