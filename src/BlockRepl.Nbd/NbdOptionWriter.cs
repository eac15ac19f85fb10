using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace BlockRepl.Nbd;

/// <summary>Collects the bytes that the server sends during the handshake.</summary>
internal sealed class NbdOptionWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(512);

    public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    public void Clear() => _buffer.ResetWrittenCount();

    public void WriteGreeting()
    {
        WriteUInt64(NbdWire.Magic);
        WriteUInt64(NbdWire.OptionMagic);
        WriteUInt16(NbdWire.FlagFixedNewstyle | NbdWire.FlagNoZeroes);
    }

    /// <summary>The answer to EXPORT_NAME, which has no header.</summary>
    public void WriteExportNameReply(long sizeBytes, NbdTransmissionFlags flags, bool noZeroes)
    {
        WriteUInt64((ulong)sizeBytes);
        WriteUInt16((ushort)flags);
        if (!noZeroes)
            _buffer.Write(stackalloc byte[124]);
    }

    public void WriteReply(uint option, NbdOptionReply reply) => WriteHeader(option, reply, 0);

    public void WriteError(uint option, NbdOptionReply reply, string message)
    {
        byte[] text = Encode(message);
        WriteHeader(option, reply, text.Length);
        _buffer.Write(text);
    }

    public void WriteServer(uint option, string name)
    {
        byte[] text = Encode(name);
        WriteHeader(option, NbdOptionReply.Server, sizeof(uint) + text.Length);
        WriteUInt32((uint)text.Length);
        _buffer.Write(text);
    }

    public void WriteMetaContext(uint option, uint id, string name)
    {
        byte[] text = Encode(name);
        WriteHeader(option, NbdOptionReply.MetaContext, sizeof(uint) + text.Length);
        WriteUInt32(id);
        _buffer.Write(text);
    }

    public void WriteInfoExport(uint option, long sizeBytes, NbdTransmissionFlags flags)
    {
        WriteInfoHeader(option, NbdInfoType.Export, 8 + 2);
        WriteUInt64((ulong)sizeBytes);
        WriteUInt16((ushort)flags);
    }

    public void WriteInfoText(uint option, NbdInfoType type, string value)
    {
        byte[] text = Encode(value);
        WriteInfoHeader(option, type, text.Length);
        _buffer.Write(text);
    }

    public void WriteInfoBlockSize(uint option, NbdExportInfo info)
    {
        WriteInfoHeader(option, NbdInfoType.BlockSize, 3 * sizeof(uint));
        WriteUInt32(info.MinimumBlockBytes);
        WriteUInt32(info.PreferredBlockBytes);
        WriteUInt32(info.MaximumPayloadBytes);
    }

    private static byte[] Encode(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length <= NbdLimits.StringBytesMax)
            return bytes;
        int end = NbdLimits.StringBytesMax;
        while ((bytes[end] & 0xc0) == 0x80) // never cut inside a code point
            end--;
        return bytes[..end];
    }

    private void WriteInfoHeader(uint option, NbdInfoType type, int bytes)
    {
        WriteHeader(option, NbdOptionReply.Info, sizeof(ushort) + bytes);
        WriteUInt16((ushort)type);
    }

    private void WriteHeader(uint option, NbdOptionReply reply, int dataBytes)
    {
        WriteUInt64(NbdWire.OptionReplyMagic);
        WriteUInt32(option);
        WriteUInt32((uint)reply);
        WriteUInt32((uint)dataBytes);
    }

    private void WriteUInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_buffer.GetSpan(sizeof(ulong)), value);
        _buffer.Advance(sizeof(ulong));
    }

    private void WriteUInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer.GetSpan(sizeof(uint)), value);
        _buffer.Advance(sizeof(uint));
    }

    private void WriteUInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer.GetSpan(sizeof(ushort)), value);
        _buffer.Advance(sizeof(ushort));
    }
}
