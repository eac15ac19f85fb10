using System.Buffers.Binary;
using System.Runtime.InteropServices;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// The content of a block: every 512-byte sector names its block and version and fills the rest with numbers that follow from
/// seed, block, version and place. So any sector can be traced to the write it came from, wherever it turns up.
/// </summary>
internal static class BlockPattern
{
    /// <summary>Bytes of a sector.</summary>
    public const int SectorBytes = 512;

    /// <summary>Sectors of a block.</summary>
    public const int SectorsPerBlock = Block.Size / SectorBytes;

    private const int WordsPerSector = SectorBytes / sizeof(ulong);

    /// <summary>Writes the whole content of a block.</summary>
    public static void Fill(Span<byte> block, ulong seed, long index, ulong version)
    {
        for (var sector = 0; sector < SectorsPerBlock; sector++)
            FillSector(block.Slice(sector * SectorBytes, SectorBytes), seed, index, version, sector);
    }

    /// <summary>Says which write a sector came from; false where it came from none: zeroes, or anything else.</summary>
    public static bool TryTrace(ReadOnlySpan<byte> sector, ulong seed, int sectorIndex, out long index, out ulong version)
    {
        index = BinaryPrimitives.ReadInt64LittleEndian(sector);
        version = BinaryPrimitives.ReadUInt64LittleEndian(sector[8..]);
        if (version == 0)
            return false;
        Span<byte> wanted = stackalloc byte[SectorBytes];
        FillSector(wanted, seed, index, version, sectorIndex);
        return sector.SequenceEqual(wanted);
    }

    private static void FillSector(Span<byte> sector, ulong seed, long index, ulong version, int sectorIndex)
    {
        BinaryPrimitives.WriteInt64LittleEndian(sector, index);
        BinaryPrimitives.WriteUInt64LittleEndian(sector[8..], version);
        var numbers = new Numbers(seed ^ ((ulong)index << 20) ^ (version * 0x9E3779B97F4A7C15) ^ (ulong)sectorIndex);
        // Native byte order: what is written is read on the same machine.
        var words = MemoryMarshal.Cast<byte, ulong>(sector);
        for (var i = 2; i < WordsPerSector; i++)
            words[i] = numbers.Next();
    }
}
