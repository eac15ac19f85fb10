using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>Encodes and decodes the header and the index of a save file. docs/save-file-format.md has the byte map.</summary>
public static class SaveFileCodec
{
    /// <summary>The format version that this program writes and reads.</summary>
    public const uint Version = 1;

    /// <summary>Bytes of the header; data begin behind it.</summary>
    public const int HeaderBytes = Block.Size;

    /// <summary>Bytes of a run in the index.</summary>
    public const int RunBytes = 32;

    /// <summary>Most bytes of data in a run: what a reader must hold to check it.</summary>
    public const int DataBytesMax = 1 << 20;

    /// <summary>Most runs in a file: an index of 512 MiB, which a reader must hold.</summary>
    public const long RunsMax = 1L << 24;

    private const ulong Magic = 0x4556_4153_5045_5242; // "BREPSAVE"
    private const int VersionAt = 8;
    private const int CrcAt = 12;
    private const int ReservedAt = 80;
    private const int NamesAt = 128;
    private const int NameField = 128;
    private const int NamesEnd = NamesAt + 4 * NameField;
    private const uint KindData = 1;
    private const uint KindZeroes = 2;

    /// <summary>Fills <paramref name="destination"/> (<see cref="HeaderBytes"/>).</summary>
    public static void Encode(SaveFileHeader header, Span<byte> destination)
    {
        Check.That(destination.Length == HeaderBytes);
        destination.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[VersionAt..], Version);
        BinaryPrimitives.WriteInt64LittleEndian(destination[16..], header.VolumeBytes);
        BinaryPrimitives.WriteInt64LittleEndian(destination[24..], header.IndexOffset);
        BinaryPrimitives.WriteInt64LittleEndian(destination[32..], header.RunCount);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[40..], header.IndexCrc);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[44..], (uint)header.Scope);
        BinaryPrimitives.WriteInt64LittleEndian(destination[48..], header.SavedMs);
        BinaryPrimitives.WriteInt64LittleEndian(destination[56..], header.SinceMs);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[64..], header.Generation.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[72..], header.BaseGeneration.Value);
        FormatName.Write(destination.Slice(NamesAt, NameField), header.ResourceName, Superblock.NameBytesMax);
        FormatName.Write(destination.Slice(NamesAt + NameField, NameField), header.VolumeName, Superblock.NameBytesMax);
        FormatName.Write(destination.Slice(NamesAt + 2 * NameField, NameField), header.NodeName, Superblock.NodeNameBytesMax);
        FormatName.Write(destination.Slice(NamesAt + 3 * NameField, NameField), header.PeerName, Superblock.NodeNameBytesMax);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[CrcAt..], FormatCrc.Compute(destination, CrcAt));
        Check.That(Decode(destination, out _) == SaveFileError.None, "a save file's header that cannot be read back");
    }

    /// <summary>Decodes a header.</summary>
    public static SaveFileError Decode(ReadOnlySpan<byte> source, out SaveFileHeader? header)
    {
        header = null;
        if (source.Length != HeaderBytes || BinaryPrimitives.ReadUInt64LittleEndian(source) != Magic)
            return SaveFileError.BadMagic;
        if (BinaryPrimitives.ReadUInt32LittleEndian(source[CrcAt..]) != FormatCrc.Compute(source, CrcAt))
            return SaveFileError.BadChecksum;
        if (BinaryPrimitives.ReadUInt32LittleEndian(source[VersionAt..]) != Version)
            return SaveFileError.UnknownVersion;
        long volumeBytes = BinaryPrimitives.ReadInt64LittleEndian(source[16..]);
        long indexOffset = BinaryPrimitives.ReadInt64LittleEndian(source[24..]);
        long runs = BinaryPrimitives.ReadInt64LittleEndian(source[32..]);
        var scope = (SaveFileScope)BinaryPrimitives.ReadUInt32LittleEndian(source[44..]);
        long savedMs = BinaryPrimitives.ReadInt64LittleEndian(source[48..]);
        long sinceMs = BinaryPrimitives.ReadInt64LittleEndian(source[56..]);
        if (volumeBytes is <= 0 or > Superblock.DataBytesMax || indexOffset < HeaderBytes || runs is < 0 or > RunsMax || savedMs < 0 || sinceMs < 0
            || scope is not (SaveFileScope.MarkedHere or SaveFileScope.WholeVolume)
            || source[ReservedAt..NamesAt].ContainsAnyExcept((byte)0) || source[NamesEnd..].ContainsAnyExcept((byte)0)
            || FormatName.Read(source.Slice(NamesAt, NameField), Superblock.NameBytesMax) is not { Length: > 0 } resource
            || FormatName.Read(source.Slice(NamesAt + NameField, NameField), Superblock.NameBytesMax) is not { Length: > 0 } volume
            || FormatName.Read(source.Slice(NamesAt + 2 * NameField, NameField), Superblock.NodeNameBytesMax) is not { Length: > 0 } node
            || FormatName.Read(source.Slice(NamesAt + 3 * NameField, NameField), Superblock.NodeNameBytesMax) is not { Length: > 0 } peer)
        {
            return SaveFileError.Malformed;
        }

        header = new SaveFileHeader
        {
            ResourceName = resource,
            VolumeName = volume,
            NodeName = node,
            PeerName = peer,
            VolumeBytes = volumeBytes,
            Scope = scope,
            SavedMs = savedMs,
            SinceMs = sinceMs,
            Generation = new GenerationId(BinaryPrimitives.ReadUInt64LittleEndian(source[64..])),
            BaseGeneration = new GenerationId(BinaryPrimitives.ReadUInt64LittleEndian(source[72..])),
            IndexOffset = indexOffset,
            RunCount = runs,
            IndexCrc = BinaryPrimitives.ReadUInt32LittleEndian(source[40..]),
        };
        return SaveFileError.None;
    }

    /// <summary>Fills <paramref name="destination"/> (<see cref="RunBytes"/>) with one run.</summary>
    public static void EncodeRun(in SaveFileRun run, Span<byte> destination)
    {
        BinaryPrimitives.WriteInt64LittleEndian(destination, run.Offset);
        BinaryPrimitives.WriteInt64LittleEndian(destination[8..], run.Length);
        BinaryPrimitives.WriteInt64LittleEndian(destination[16..], run.FileOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[24..], run.Crc);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[28..], run.IsZeroes ? KindZeroes : KindData);
    }

    /// <summary>Decodes the index of a file of <paramref name="header"/>; an error leaves <paramref name="runs"/> empty.</summary>
    public static SaveFileError DecodeIndex(SaveFileHeader header, ReadOnlySpan<byte> source, out SaveFileRun[] runs)
    {
        runs = [];
        if (source.Length != header.RunCount * RunBytes)
            return SaveFileError.Malformed;
        if (Crc32C.Compute(source) != header.IndexCrc)
            return SaveFileError.BadChecksum;
        var decoded = new SaveFileRun[header.RunCount];
        long end = 0;
        for (int i = 0; i < decoded.Length; i++)
        {
            ReadOnlySpan<byte> field = source.Slice(i * RunBytes, RunBytes);
            var run = new SaveFileRun(
                BinaryPrimitives.ReadInt64LittleEndian(field), BinaryPrimitives.ReadInt64LittleEndian(field[8..]),
                BinaryPrimitives.ReadInt64LittleEndian(field[16..]), BinaryPrimitives.ReadUInt32LittleEndian(field[24..]));
            if (BinaryPrimitives.ReadUInt32LittleEndian(field[28..]) != (run.IsZeroes ? KindZeroes : KindData) || !IsSane(header, in run, end))
                return SaveFileError.Malformed;
            decoded[i] = run;
            end = run.End;
        }

        runs = decoded;
        return SaveFileError.None;
    }

    private static bool IsSane(SaveFileHeader header, in SaveFileRun run, long end)
    {
        const long BlockMask = Block.Size - 1;
        if (run.Offset < end || (run.Offset & BlockMask) != 0 || run.Length <= 0 || run.Length > header.VolumeBytes - run.Offset)
            return false;
        if ((run.Length & BlockMask) != 0 && run.End != header.VolumeBytes)
            return false;
        return run.IsZeroes
            ? run.Crc == 0
            : run.Length <= DataBytesMax && (run.FileOffset & BlockMask) == 0 && run.FileOffset >= HeaderBytes && run.FileOffset <= header.IndexOffset - run.Length;
    }
}
