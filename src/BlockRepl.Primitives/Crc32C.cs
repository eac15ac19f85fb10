using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace BlockRepl.Primitives;

/// <summary>
/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) with the usual initial value and final inversion. Uses the processor's
/// instruction through <see cref="BitOperations"/>.
/// </summary>
public static class Crc32C
{
    /// <summary>CRC of <paramref name="data"/>.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Finish(Update(Start, data));

    /// <summary>State before the first byte, for <see cref="Update"/>.</summary>
    public const uint Start = 0xFFFFFFFF;

    /// <summary>Turns a running state into the CRC.</summary>
    public static uint Finish(uint state) => ~state;

    /// <summary>Takes more bytes into a running state.</summary>
    public static uint Update(uint state, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words)
            state = BitOperations.Crc32C(state, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        foreach (byte b in data[(words.Length * sizeof(ulong))..])
            state = BitOperations.Crc32C(state, b);
        return state;
    }
}
