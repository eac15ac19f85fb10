using System.Buffers.Binary;

namespace BlockRepl.Nbd;

/// <summary>A request as it came, not yet validated.</summary>
public readonly record struct NbdRequestHeader(
    NbdCommandFlags Flags, NbdCommand Command, ulong Cookie, ulong Offset, uint Length)
{
    /// <summary>Bytes of payload that follow the header, whether or not the request is valid.</summary>
    public uint PayloadBytes => Command == NbdCommand.Write ? Length : 0;

    /// <summary>
    /// Reads the first <see cref="NbdWire.RequestBytes"/> bytes. False means a wrong magic: the stream is out of step and the
    /// connection must end.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> source, out NbdRequestHeader header)
    {
        header = new NbdRequestHeader(
            (NbdCommandFlags)BinaryPrimitives.ReadUInt16BigEndian(source[4..]),
            (NbdCommand)BinaryPrimitives.ReadUInt16BigEndian(source[6..]),
            BinaryPrimitives.ReadUInt64BigEndian(source[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(source[16..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[24..]));
        return BinaryPrimitives.ReadUInt32BigEndian(source) == NbdWire.RequestMagic;
    }
}
