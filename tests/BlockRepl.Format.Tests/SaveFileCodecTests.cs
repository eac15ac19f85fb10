using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Format.Tests;

/// <summary>docs/save-file-format.md, byte for byte: what is written is read back, and what was changed is refused (G10).</summary>
public sealed class SaveFileCodecTests
{
    private static readonly SaveFileHeader Header = new()
    {
        ResourceName = "mail",
        VolumeName = "postgrés",
        NodeName = "alpha",
        PeerName = "beta",
        VolumeBytes = (16L << 20) + 513,
        Scope = SaveFileScope.MarkedHere,
        SavedMs = 1_795_000_000_123,
        SinceMs = 1_794_000_000_000,
        Generation = new GenerationId(0x1122_3344_5566_7788),
        BaseGeneration = new GenerationId(0x10),
        IndexOffset = 4096 * 3,
        RunCount = 3,
        IndexCrc = 0,
    };

    private static readonly SaveFileRun[] Runs =
    [
        new(0, 4096, 4096, 0xAABBCCDD),
        new(8192, 1 << 20, 0, 0),
        new(16L << 20, 513, 8192, 7),
    ];

    [Fact]
    public void The_header_stands_where_the_document_says()
    {
        byte[] bytes = Encoded(Header);
        Assert.Equal("BREPSAVE"u8.ToArray(), bytes[..8]);
        Assert.Equal(1U, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8)));
        Assert.Equal((16L << 20) + 513, BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(16)));
        Assert.Equal(4096 * 3, BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(24)));
        Assert.Equal(3, BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(32)));
        Assert.Equal(1_795_000_000_123, BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(48)));
        Assert.Equal(0x1122_3344_5566_7788UL, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(64)));
        Assert.Equal("\u0004mail"u8.ToArray(), bytes[128..133]);
        Assert.Equal("\u0004beta"u8.ToArray(), bytes[512..517]);
        Assert.Equal(SaveFileError.None, SaveFileCodec.Decode(bytes, out SaveFileHeader? header));
        Assert.Equal(Header, header);
    }

    [Fact]
    public void No_changed_bit_of_a_header_is_read_as_anything()
    {
        byte[] bytes = Encoded(Header);
        for (int bit = 0; bit < bytes.Length * 8; bit += 3)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(SaveFileError.None, SaveFileCodec.Decode(bytes, out SaveFileHeader? header));
            Assert.Null(header);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.Equal(SaveFileError.BadMagic, SaveFileCodec.Decode([], out _));
    }

    [Theory]
    [InlineData(8, 2, SaveFileError.UnknownVersion)]
    [InlineData(22, 0xFF, SaveFileError.Malformed)] // a volume too large
    [InlineData(25, 0, SaveFileError.Malformed)] // an index in the header
    [InlineData(36, 1, SaveFileError.Malformed)] // too many runs
    [InlineData(44, 3, SaveFileError.Malformed)] // an unknown scope
    [InlineData(55, 0xFF, SaveFileError.Malformed)] // a time before 1970
    [InlineData(90, 1, SaveFileError.Malformed)] // reserved
    [InlineData(128, 0, SaveFileError.Malformed)] // a name without length
    [InlineData(4000, 1, SaveFileError.Malformed)] // reserved at the end
    public void A_sealed_header_with_a_field_that_is_never_written_is_refused(int offset, byte value, SaveFileError expected)
    {
        byte[] bytes = Encoded(Header);
        bytes[offset] = value;
        bytes.AsSpan(12, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Crc32C.Compute(bytes));
        Assert.Equal(expected, SaveFileCodec.Decode(bytes, out _));
    }

    [Fact]
    public void The_index_survives_and_a_changed_one_is_refused()
    {
        byte[] index = Index(Runs);
        SaveFileHeader header = Header with { IndexCrc = Crc32C.Compute(index) };
        Assert.Equal(SaveFileError.None, SaveFileCodec.DecodeIndex(header, index, out SaveFileRun[] runs));
        Assert.Equal(Runs, runs);
        Assert.Equal(SaveFileError.Malformed, SaveFileCodec.DecodeIndex(header, index.AsSpan(1), out _));
        index[5] ^= 1;
        Assert.Equal(SaveFileError.BadChecksum, SaveFileCodec.DecodeIndex(header, index, out runs));
        Assert.Empty(runs);
    }

    public static TheoryData<string, SaveFileRun> BadRuns => new()
    {
        { "overlaps the one before", new(0, 4096, 4096, 1) },
        { "off a block", new(4096 * 300 + 1, 4096, 4096, 1) },
        { "ends off a block in the middle", new(4096 * 300, 100, 4096, 1) },
        { "beyond the volume", new(16L << 20, 514, 4096, 1) },
        { "empty", new(4096 * 300, 0, 4096, 1) },
        { "longer than a reader holds", new(4096 * 300, (1 << 20) + 4096, 4096, 1) },
        { "data in the header", new(4096 * 300, 4096, 4095, 1) },
        { "data in the index", new(4096 * 300, 4096, 4096 * 3, 1) },
        { "zeroes with a checksum", new(4096 * 300, 4096, 0, 1) },
    };

    [Theory]
    [MemberData(nameof(BadRuns))]
    public void A_run_that_is_never_written_is_refused(string what, SaveFileRun bad)
    {
        byte[] index = Index([Runs[0], Runs[1], bad]);
        SaveFileHeader header = Header with { IndexCrc = Crc32C.Compute(index) };
        Assert.True(SaveFileError.Malformed == SaveFileCodec.DecodeIndex(header, index, out _), what);
    }

    private static byte[] Encoded(SaveFileHeader header)
    {
        byte[] bytes = new byte[SaveFileCodec.HeaderBytes];
        SaveFileCodec.Encode(header, bytes);
        return bytes;
    }

    private static byte[] Index(SaveFileRun[] runs)
    {
        byte[] index = new byte[runs.Length * SaveFileCodec.RunBytes];
        for (int i = 0; i < runs.Length; i++)
            SaveFileCodec.EncodeRun(runs[i], index.AsSpan(i * SaveFileCodec.RunBytes));
        return index;
    }
}
