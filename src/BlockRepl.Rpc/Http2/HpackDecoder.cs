using System.Text;

namespace BlockRepl.Rpc.Http2;

/// <summary>
/// Decodes one connection's header blocks (RFC 7541). Runs twice in a stream's life, so it may allocate; everything it takes is bounded by the
/// block's size and the table's. Not thread-safe.
/// </summary>
/// <param name="tableBytesMax">Largest dynamic table that the peer may use: 0 once our SETTINGS are known to it.</param>
internal sealed class HpackDecoder(int tableBytesMax)
{
    // What an entry counts beyond its text (RFC 7541 section 4.1).
    private const int EntryOverhead = 32;

    /// <summary>Fields of one block.</summary>
    public const int FieldsMax = 64;

    /// <summary>Characters of one name or value.</summary>
    public const int StringMax = 8192;

    // Newest first.
    private readonly List<(string Name, string Value)> _table = [];
    private readonly int _tableBytesMax = tableBytesMax;
    private int _tableLimit = tableBytesMax;
    private int _tableBytes;

    /// <summary>Decodes a whole block.</summary>
    /// <exception cref="ChannelException">It is not valid.</exception>
    public List<(string Name, string Value)> Decode(ReadOnlySpan<byte> block)
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
                int limit = Integer(ref block, 5);
                if (limit > _tableBytesMax)
                    throw Bad("a dynamic table larger than allowed");
                _tableLimit = limit;
                Evict();
            }
            else
            {
                bool isIndexed = (first & 0x40) != 0;
                int index = Integer(ref block, isIndexed ? 6 : 4);
                string name = index == 0 ? String(ref block) : Entry(index).Name;
                string value = String(ref block);
                fields.Add((name, value));
                if (isIndexed)
                    Remember(name, value);
            }

            if (fields.Count > FieldsMax)
                throw Bad("too many header fields");
        }

        return fields;
    }

    private (string Name, string Value) Entry(int index)
    {
        if (index >= 1 && index <= HpackStaticTable.Count)
            return HpackStaticTable.Get(index);
        int dynamic = index - HpackStaticTable.Count - 1;
        return dynamic >= 0 && dynamic < _table.Count ? _table[dynamic] : throw Bad("a header index out of range");
    }

    // An entry larger than the table empties it and is not kept (RFC 7541 section 4.4).
    private void Remember(string name, string value)
    {
        _table.Insert(0, (name, value));
        _tableBytes += Size(name, value);
        Evict();
    }

    private void Evict()
    {
        while (_tableBytes > _tableLimit)
        {
            (string name, string value) = _table[^1];
            _table.RemoveAt(_table.Count - 1);
            _tableBytes -= Size(name, value);
        }
    }

    private static int Size(string name, string value) => name.Length + value.Length + EntryOverhead;

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
