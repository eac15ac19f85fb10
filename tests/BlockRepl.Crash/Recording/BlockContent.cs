using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Recording;

/// <summary>What a version of a block looks like: each sector of 512 bytes says which block, version and sector it is, so that a torn block can be read.</summary>
internal static class BlockContent
{
    public const int SectorBytes = 512;
    public const int SectorsPerBlock = Block.Size / SectorBytes;

    public static void Fill(Span<byte> block, long number, BlockVersion version)
    {
        block.Clear();
        if (version.IsZeroes)
            return;
        for (int sector = 0; sector < SectorsPerBlock; sector++)
        {
            for (int at = 0; at < SectorBytes; at += 16)
            {
                Span<byte> words = block[(sector * SectorBytes + at)..];
                BinaryPrimitives.WriteInt64LittleEndian(words, number << 8 | (uint)(sector + 1));
                BinaryPrimitives.WriteInt64LittleEndian(words[8..], version.Number);
            }
        }
    }

    /// <summary>Null if every sector is one of the versions from <paramref name="oldest"/> on that were asked for by the cut, else what is wrong.</summary>
    public static string? Judge(byte[]? page, long number, List<BlockVersion> versions, int oldest, CutTimes cut)
    {
        for (int sector = 0; sector < SectorsPerBlock; sector++)
        {
            ReadOnlySpan<byte> bytes = page is null ? default : page.AsSpan(sector * SectorBytes, SectorBytes);
            if (!bytes.ContainsAnyExcept((byte)0))
            {
                if (!versions.Exists(version => version.IsZeroes && version.Number >= oldest && version.WasAsked(cut)))
                    return $"sector {sector} is zeroes";
                continue;
            }

            long place = BinaryPrimitives.ReadInt64LittleEndian(bytes);
            long found = BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]);
            for (int at = 16; at < SectorBytes; at += 16)
            {
                if (!bytes.Slice(at, 16).SequenceEqual(bytes[..16]))
                    return $"sector {sector} holds a mixture";
            }

            if (place != (number << 8 | (uint)(sector + 1)))
                return $"sector {sector} holds what belongs to sector {(place & 255) - 1} of block {place >> 8}";
            if (found < oldest || found >= versions.Count)
                return $"sector {sector} holds version {found}";
            if (!versions[(int)found].WasAsked(cut))
                return $"sector {sector} holds version {found}, which was not asked for yet";
        }

        return null;
    }
}
