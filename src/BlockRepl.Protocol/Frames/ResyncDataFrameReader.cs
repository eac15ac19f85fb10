using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Reads a ResyncData frame where it lies, without allocation. When <see cref="TryRead"/> returned true, every length was
/// checked; <see cref="VerifyCrc"/> remains, which reads all of the data.
/// </summary>
public ref struct ResyncDataFrameReader
{
    private DataFrameFields _fields;

    /// <summary>The sender's number of the volume.</summary>
    public VolumeNr Volume { get; private set; }

    /// <summary>The bytes of the volume; never empty.</summary>
    public ByteRange Range { get; private set; }

    /// <summary>The range reads as zeroes; there are no data.</summary>
    public bool Zeroes { get; private set; }

    /// <summary>Stream position up to which the sender had applied the receiver's changes when it read the data; zero if the receiver sends none.</summary>
    public SequenceNumber Position { get; private set; }

    /// <summary>How the data are compressed.</summary>
    public readonly CompressionKind Compression => _fields.Compression;

    /// <summary>Bytes of the data before compression.</summary>
    public readonly int RawLength => Zeroes ? 0 : (int)Range.Length;

    /// <summary>Where the data begin in the frame.</summary>
    public readonly int DataOffset => _fields.BodyOffset + _fields.DataStart;

    /// <summary>Bytes of the data in the frame.</summary>
    public readonly int DataLength => _fields.DataLength;

    /// <summary>Reads and checks a whole frame, except for its checksum.</summary>
    public static bool TryRead(ReadOnlySpan<byte> frame, out ResyncDataFrameReader result, out FrameError error)
    {
        result = default;
        if (!FrameEnvelope.TryOpen(frame, out FrameKind kind, out ReadOnlySpan<byte> body, out int bodyOffset, out error))
            return false;
        var reader = new ProtoReader(body, bodyOffset);
        var fields = new DataFrameFields(body, bodyOffset);
        if (kind != FrameKind.ResyncData)
            reader.Fail(FrameErrorCode.WrongKind, "a ResyncData");
        ulong offset = 0, length = 0;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    result.Volume = new VolumeNr((ushort)reader.UInt64("nr", ushort.MaxValue));
                    break;
                case 2:
                    offset = reader.UInt64("offset", long.MaxValue);
                    break;
                case 3:
                    length = reader.UInt64("length", (ulong)ProtocolLimits.RangeBytesMax, FrameErrorCode.LimitExceeded);
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
                case 7:
                    result.Position = new SequenceNumber(reader.UInt64("position"));
                    break;
                case DataFrame.DataField:
                    fields.ReadData(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (length == 0 || offset > long.MaxValue - length)
            reader.Fail(FrameErrorCode.BadValue, "range");
        if (!result.Zeroes && length > ProtocolLimits.RawBytesMax)
            reader.Fail(FrameErrorCode.LimitExceeded, "length");
        if (result.Zeroes && fields.Compression != CompressionKind.None)
            reader.Fail(FrameErrorCode.BadValue, "compression of zeroes");
        fields.CheckLengths(ref reader, result.Zeroes ? 0 : (long)length);
        result.Range = new ByteRange((long)offset, (long)length);
        result._fields = fields;
        error = reader.Error;
        return !reader.Failed;
    }

    /// <summary>Whether head and data are what was sent (G10).</summary>
    public readonly bool VerifyCrc() => _fields.VerifyCrc();
}
