using System.Buffers.Binary;

namespace BlockRepl.Rpc.Http2;

/// <summary>The nine bytes in front of every HTTP/2 frame (RFC 9113 section 4.1).</summary>
internal readonly record struct FrameHeader(int Length, FrameType Type, byte Flags, int StreamId)
{
    /// <summary>Bytes of a header.</summary>
    public const int Size = 9;

    /// <summary>END_STREAM of DATA and HEADERS; ACK of SETTINGS and PING.</summary>
    public const byte EndStreamOrAck = 0x1;

    /// <summary>END_HEADERS.</summary>
    public const byte EndHeaders = 0x4;

    /// <summary>PADDED.</summary>
    public const byte Padded = 0x8;

    /// <summary>PRIORITY of HEADERS.</summary>
    public const byte Priority = 0x20;

    public static FrameHeader Read(ReadOnlySpan<byte> bytes) => new(
        (bytes[0] << 16) | (bytes[1] << 8) | bytes[2],
        (FrameType)bytes[3],
        bytes[4],
        BinaryPrimitives.ReadInt32BigEndian(bytes[5..]) & int.MaxValue);

    public void Write(Span<byte> bytes)
    {
        bytes[0] = (byte)(Length >> 16);
        bytes[1] = (byte)(Length >> 8);
        bytes[2] = (byte)Length;
        bytes[3] = (byte)Type;
        bytes[4] = Flags;
        BinaryPrimitives.WriteInt32BigEndian(bytes[5..], StreamId);
    }
}
