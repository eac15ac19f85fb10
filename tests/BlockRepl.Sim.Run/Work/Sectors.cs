using System.Runtime.InteropServices;

namespace BlockRepl.Sim.Run;

/// <summary>What clients write: each sector is full of one number, made of the write's own number and of where it stands, so that a sector tells who wrote it, and that it stands in its place.</summary>
internal static class Sectors
{
    /// <summary>Bytes of a sector, the unit in which clients write.</summary>
    public const int Bytes = 512;

    /// <summary>Sectors of a block.</summary>
    public const int PerBlock = Primitives.Block.Size / Bytes;

    private const int PlaceBits = 24;

    /// <summary>Fills data that begins at a sector with what write <paramref name="id"/> puts there.</summary>
    public static void Fill(Span<byte> data, ulong id, int volume, long firstSector)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        for (int at = 0; at < words.Length; at += Bytes / 8)
            words.Slice(at, Bytes / 8).Fill(id << PlaceBits | (ulong)(firstSector++ << 2 | (uint)volume));
    }

    /// <summary>Which write a sector's content comes from: zero for zeroes. False if it is no write's, or one's that belongs elsewhere, or a mixture.</summary>
    public static bool TryIdentify(ReadOnlySpan<byte> sector, int volume, long number, out ulong id)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(sector);
        ulong word = words[0];
        id = word >> PlaceBits;
        bool isSame = words[1..].SequenceEqual(words[..^1]);
        return isSame && (word == 0 || (word & (1 << PlaceBits) - 1) == (ulong)(number << 2 | (uint)volume));
    }
}
