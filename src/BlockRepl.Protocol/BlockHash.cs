using System.Security.Cryptography;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>
/// The hash by which a resync finds blocks that are equal already: all 32 bytes of SHA-256. A block that is wrongly taken for equal would stay different for ever, so neither chance nor whoever
/// writes into the volume may be able to make two blocks with one hash; that rules out faster hashes, and a shortened one.
/// </summary>
public static class BlockHash
{
    /// <summary>Bytes of one hash.</summary>
    public const int Length = SHA256.HashSizeInBytes;

    /// <summary>Blocks whose hashes travel together: one bit each in the answer.</summary>
    public const int BlocksMax = 64;

    /// <summary>Hashes of the blocks in <paramref name="data"/>, one after the other; the last may be partial.</summary>
    public static byte[] Compute(ReadOnlySpan<byte> data)
    {
        var hashes = new byte[Block.CountFor(data.Length) * Length];
        for (int at = 0; at < data.Length; at += Block.Size)
            SHA256.HashData(data.Slice(at, Math.Min(Block.Size, data.Length - at)), hashes.AsSpan((at >> Block.Shift) * Length));
        return hashes;
    }

    /// <summary>Which blocks of <paramref name="data"/> do not have the given hashes: bit i for block i.</summary>
    public static ulong Compare(ReadOnlySpan<byte> data, ReadOnlySpan<byte> hashes)
    {
        Check.That(hashes.Length == Block.CountFor(data.Length) * Length && hashes.Length <= BlocksMax * Length, "hashes of these blocks");
        Span<byte> hash = stackalloc byte[Length];
        ulong different = 0;
        for (int at = 0; at < data.Length; at += Block.Size)
        {
            SHA256.HashData(data.Slice(at, Math.Min(Block.Size, data.Length - at)), hash);
            if (!hash.SequenceEqual(hashes.Slice((at >> Block.Shift) * Length, Length)))
                different |= 1UL << (at >> Block.Shift);
        }

        return different;
    }
}
