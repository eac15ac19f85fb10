using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Reads a ReadReply frame where it lies, without allocation. When <see cref="TryRead"/> returned true, every length was
/// checked; <see cref="VerifyCrc"/> remains, which reads all of the data.
/// </summary>
public ref struct ReadReplyFrameReader
{
    private DataFrameFields _fields;

    /// <summary>Which request is answered.</summary>
    public ulong Id { get; private set; }

    /// <summary>Zero, or the positive Linux error number; then there are no data.</summary>
    public int Errno { get; private set; }

    /// <summary>Bytes that were read; zero for an error and for the answer to a request to serve.</summary>
    public int Length { get; private set; }

    /// <summary>The range reads as zeroes; there are no data.</summary>
    public bool Zeroes { get; private set; }

    /// <summary>How the data are compressed.</summary>
    public readonly CompressionKind Compression => _fields.Compression;

    /// <summary>Bytes of the data before compression.</summary>
    public readonly int RawLength => Zeroes ? 0 : Length;

    /// <summary>Where the data begin in the frame.</summary>
    public readonly int DataOffset => _fields.BodyOffset + _fields.DataStart;

    /// <summary>Bytes of the data in the frame.</summary>
    public readonly int DataLength => _fields.DataLength;

    /// <summary>Reads and checks a whole frame, except for its checksum.</summary>
    public static bool TryRead(ReadOnlySpan<byte> frame, out ReadReplyFrameReader result, out FrameError error)
    {
        result = default;
        if (!FrameEnvelope.TryOpen(frame, out FrameKind kind, out ReadOnlySpan<byte> body, out int bodyOffset, out error))
            return false;
        var reader = new ProtoReader(body, bodyOffset);
        var fields = new DataFrameFields(body, bodyOffset);
        if (kind != FrameKind.ReadReply)
            reader.Fail(FrameErrorCode.WrongKind, "a ReadReply");
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    result.Id = reader.UInt64("id");
                    break;
                case 2:
                    result.Errno = (int)reader.UInt64("errno", int.MaxValue);
                    break;
                case 3:
                    result.Length = (int)reader.UInt64("length", ProtocolLimits.ReadBytesMax, FrameErrorCode.LimitExceeded);
                    break;
                case 4:
                    result.Zeroes = reader.Bool("zeroes");
                    break;
                case 5:
                    fields.ReadCompression(ref reader);
                    break;
                case 6:
                    fields.ReadCrc(ref reader);
                    break;
                case DataFrame.DataField:
                    fields.ReadData(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (result.Errno != 0 && result.Length != 0)
            reader.Fail(FrameErrorCode.BadValue, "length of a failed read");
        if (result.Zeroes && fields.Compression != CompressionKind.None)
            reader.Fail(FrameErrorCode.BadValue, "compression of zeroes");
        fields.CheckLengths(ref reader, result.Zeroes ? 0 : result.Length);
        result._fields = fields;
        error = reader.Error;
        return !reader.Failed;
    }

    /// <summary>Whether head and data are what was sent (G10).</summary>
    public readonly bool VerifyCrc() => _fields.VerifyCrc();
}
