using System.Runtime.InteropServices;
using System.Text;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// Builds one generic netlink request: the netlink header, the generic header, then attributes, each aligned to four bytes. Netlink is in the machine's
/// own byte order. Not thread-safe; touches nothing but its own buffer.
/// </summary>
internal sealed class NetlinkMessage
{
    /// <summary>Bytes of <c>nlmsghdr</c>.</summary>
    public const int HeaderBytes = 16;

    /// <summary>Bytes of <c>genlmsghdr</c>.</summary>
    public const int GenericHeaderBytes = 4;

    /// <summary>NLM_F_REQUEST and NLM_F_ACK: the kernel answers every request with an error number, 0 for success.</summary>
    private const ushort RequestAndAcknowledge = 0x1 | 0x4;

    private const ushort Nested = 1 << 15;
    private const int AttributeHeaderBytes = 4;

    private byte[] _bytes = new byte[256];
    private int _length;

    /// <param name="type">The family's id.</param>
    /// <param name="command">The family's command.</param>
    /// <param name="sequence">Comes back with the answer.</param>
    public NetlinkMessage(ushort type, byte command, uint sequence)
    {
        Put(0u); // the length, known at the end
        Put(type);
        Put(RequestAndAcknowledge);
        Put(sequence);
        Put(0u); // the port: the kernel fills in the sender's
        Put(command);
        Put((byte)1);
        Put((ushort)0);
    }

    /// <summary>The message; valid until the next attribute is added.</summary>
    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            MemoryMarshal.Write(_bytes, (uint)_length);
            return _bytes.AsSpan(0, _length);
        }
    }

    /// <summary>Adds an attribute of 32 bits.</summary>
    public NetlinkMessage U32(ushort attribute, uint value)
    {
        Begin(attribute, sizeof(uint));
        Put(value);
        return this;
    }

    /// <summary>Adds an attribute of 64 bits. Not aligned to eight: the kernel reads it as bytes.</summary>
    public NetlinkMessage U64(ushort attribute, ulong value)
    {
        Begin(attribute, sizeof(ulong));
        Put(value);
        return this;
    }

    /// <summary>Adds a text with its final NUL.</summary>
    public NetlinkMessage Text(ushort attribute, string value)
    {
        byte[] text = Encoding.UTF8.GetBytes(value + "\0");
        Begin(attribute, text.Length);
        text.CopyTo(Room(text.Length));
        _length += text.Length;
        Align();
        return this;
    }

    /// <summary>Adds an attribute that holds those that <paramref name="content"/> adds.</summary>
    public NetlinkMessage Nest(ushort attribute, Action<NetlinkMessage> content)
    {
        int start = _length;
        Begin((ushort)(attribute | Nested), 0);
        content(this);
        MemoryMarshal.Write(_bytes.AsSpan(start), (ushort)(_length - start));
        return this;
    }

    private void Begin(ushort attribute, int bytes)
    {
        Put((ushort)(AttributeHeaderBytes + bytes));
        Put(attribute);
    }

    private void Put<T>(T value)
        where T : unmanaged
    {
        int size = Marshal.SizeOf<T>();
        MemoryMarshal.Write(Room(size), value);
        _length += size;
    }

    private Span<byte> Room(int bytes)
    {
        if (_bytes.Length < _length + bytes)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + bytes));
        return _bytes.AsSpan(_length, bytes);
    }

    private void Align()
    {
        while (_length % 4 != 0)
            Put((byte)0);
    }
}
