using System.Text;

namespace BlockRepl.Rpc.Http2;

/// <summary>Encodes one request's headers as literals without indexing (RFC 7541 section 6.2.2).</summary>
internal sealed class HpackEncoder
{
    private readonly List<byte> _block = [];

    /// <summary>The block so far.</summary>
    public byte[] ToArray() => [.. _block];

    /// <summary>A field that the static table holds with its value.</summary>
    public HpackEncoder Indexed(int index)
    {
        _block.Add((byte)(0x80 | index));
        return this;
    }

    /// <summary>A literal field with a literal name.</summary>
    public HpackEncoder Literal(string name, string value)
    {
        _block.Add(0);
        String(name);
        String(value);
        return this;
    }

    private void String(string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        if (bytes.Length < 0x7F)
        {
            _block.Add((byte)bytes.Length);
        }
        else
        {
            _block.Add(0x7F);
            int rest = bytes.Length - 0x7F;
            for (; rest >= 0x80; rest >>= 7)
                _block.Add((byte)(rest | 0x80));
            _block.Add((byte)rest);
        }

        _block.AddRange(bytes);
    }
}
