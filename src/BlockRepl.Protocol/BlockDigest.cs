using System.Security.Cryptography;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>
/// The digest by which two nodes compare a block without sending it: the first 16 bytes of its SHA-256. Two different blocks with one digest do not come about
/// by chance or by a bug, so equal digests count as equal blocks.
/// </summary>
public static class BlockDigest
{
    /// <summary>Bytes of one digest.</summary>
    public const int Length = 16;

    /// <summary>Blocks whose digests travel together: one bit each in the answer.</summary>
    public const int BlocksMax = 64;

    private static readonly byte[] ZeroBlock = ComputeZeroBlock();

    /// <summary>
    /// Digests of the blocks in <paramref name="data"/>, one after the other; the last block may be partial. <paramref name="digests"/> has
    /// <see cref="Length"/> bytes for each. Allocates nothing.
    /// </summary>
    public static void Compute(ReadOnlySpan<byte> data, Span<byte> digests)
    {
        Span<byte> full = stackalloc byte[SHA256.HashSizeInBytes];
        while (!data.IsEmpty)
        {
            int length = Math.Min(Block.Size, data.Length);
            SHA256.HashData(data[..length], full);
            full[..Length].CopyTo(digests);
            data = data[length..];
            digests = digests[Length..];
        }
    }

    /// <summary>Digests of a range that reads as zeroes.</summary>
    public static void ComputeZeroes(long bytes, Span<byte> digests)
    {
        for (; bytes >= Block.Size; bytes -= Block.Size)
        {
            ZeroBlock.CopyTo(digests);
            digests = digests[Length..];
        }

        if (bytes > 0)
            Compute(stackalloc byte[(int)bytes], digests);
    }

    /// <summary>Which blocks differ: bit i for block i.</summary>
    public static ulong Compare(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        Check.That(one.Length == other.Length && one.Length <= BlocksMax * Length, "digests of the same blocks");
        ulong different = 0;
        for (int i = 0; i < one.Length / Length; i++)
        {
            if (!one.Slice(i * Length, Length).SequenceEqual(other.Slice(i * Length, Length)))
                different |= 1UL << i;
        }

        return different;
    }

    private static byte[] ComputeZeroBlock()
    {
        var digest = new byte[Length];
        Compute(new byte[Block.Size], digest);
        return digest;
    }
}
