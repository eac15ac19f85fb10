using System.Text;

namespace BlockRepl.Rpc.Http2;

/// <summary>
/// Decodes header blocks (RFC 7541) with a dynamic table of size zero, which is what our SETTINGS allow the peer. Runs
/// twice in a stream's life, so it may allocate; everything it takes is bounded by the block's size.
/// </summary>
internal static class HpackDecoder
{
    /// <summary>Fields of one block.</summary>
    public const int FieldsMax = 64;

    /// <summary>Characters of one name or value.</summary>
    public const int StringMax = 8192;

    /// <summary>Decodes a whole block.</summary>
    /// <exception cref="ChannelException">It is not valid.</exception>
    public static List<(string Name, string Value)> Decode(ReadOnlySpan<byte> block)
    {
        var fields = new List<(string, string)>();
        while (block.Length > 0)
        {
            byte first = block[0];
            if ((first & 0x80) != 0)
            {
                fields.Add(Entry(Integer(ref block, 7)));
            }
            else if ((first & 0xE0) == 0x20)
            {
                if (Integer(ref block, 5) != 0)
                    throw Bad("a dynamic table larger than allowed");
            }
            else
            {
                // With or without indexing, or never indexed: nothing fits into a table of size zero.
                int index = Integer(ref block, (first & 0x40) != 0 ? 6 : 4);
                string name = index == 0 ? String(ref block) : Entry(index).Name;
                fields.Add((name, String(ref block)));
            }

            if (fields.Count > FieldsMax)
                throw Bad("too many header fields");
        }

        return fields;
    }

    private static (string Name, string Value) Entry(int index) =>
        index >= 1 && index <= HpackStaticTable.Count ? HpackStaticTable.Get(index) : throw Bad("a header index out of range");

    private static int Integer(ref ReadOnlySpan<byte> block, int prefixBits)
    {
        int mask = (1 << prefixBits) - 1;
        int value = Next(ref block) & mask;
        if (value < mask)
            return value;
        // Three more bytes reach 2^21, beyond everything allowed here.
        for (int shift = 0; shift < 21; shift += 7)
        {
            byte b = Next(ref block);
            value += (b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }

        throw Bad("a header number out of range");
    }

    private static string String(ref ReadOnlySpan<byte> block)
    {
        bool huffman = block.Length > 0 && (block[0] & 0x80) != 0;
        int length = Integer(ref block, 7);
        if (length > StringMax)
            throw Bad("a header string too long");
        if (length > block.Length)
            throw Bad("a header block that ends early");
        ReadOnlySpan<byte> bytes = block[..length];
        block = block[length..];
        if (!huffman)
            return Encoding.Latin1.GetString(bytes);
        return HpackHuffman.Decode(bytes, StringMax) ?? throw Bad("a bad Huffman string in a header");
    }

    private static byte Next(ref ReadOnlySpan<byte> block)
    {
        if (block.Length == 0)
            throw Bad("a header block that ends early");
        byte b = block[0];
        block = block[1..];
        return b;
    }

    private static ChannelException Bad(string what) =>
        new(ChannelCloseReason.ProtocolError, $"the peer sent {what} (HPACK)");
}
