using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>The fields that both data frames read alike, collected while parsing.</summary>
internal ref struct DataFrameFields
{
    private int _dataTagStart;
    private int _crcStart;

    public DataFrameFields(ReadOnlySpan<byte> body, int bodyOffset)
    {
        Body = body;
        BodyOffset = bodyOffset;
        _dataTagStart = body.Length;
        _crcStart = body.Length;
        DataStart = body.Length;
    }

    public ReadOnlySpan<byte> Body { get; }

    public int BodyOffset { get; }

    public CompressionKind Compression { get; private set; }

    public uint Crc { get; private set; }

    /// <summary>Where the data begin in the body.</summary>
    public int DataStart { get; private set; }

    public readonly int DataLength => Body.Length - DataStart;

    public void ReadCompression(ref ProtoReader reader) =>
        Compression = (CompressionKind)reader.UInt64("compression", (ulong)CompressionKind.Lz4);

    public void ReadCrc(ref ProtoReader reader)
    {
        if (_crcStart != Body.Length)
            reader.Fail(FrameErrorCode.Malformed, "a second crc32c");
        if (reader.Position - reader.FieldStart != 1)
            reader.Fail(FrameErrorCode.Malformed, "the tag of crc32c");
        _crcStart = reader.FieldStart;
        Crc = reader.Fixed32("crc32c");
    }

    public void ReadData(ref ProtoReader reader)
    {
        _dataTagStart = reader.FieldStart;
        ReadOnlySpan<byte> data = reader.Bytes("data");
        if (reader.Failed)
            return;
        DataStart = reader.Position - data.Length;
        if (reader.Position != Body.Length)
            reader.Fail(FrameErrorCode.Malformed, "data that are not the last field");
    }

    /// <summary>Data and raw length must fit each other.</summary>
    public readonly void CheckLengths(ref ProtoReader reader, long rawLength)
    {
        bool fits = Compression == CompressionKind.None
            ? DataLength == rawLength
            : DataLength > 0 && DataLength < rawLength;
        if (!fits)
            reader.Fail(FrameErrorCode.BadValue, "length of data");
    }

    public readonly bool VerifyCrc() => Canary.DataChecksumIgnored || DataFrame.Checksum(Body, _crcStart, _dataTagStart, DataStart) == Crc;
}
