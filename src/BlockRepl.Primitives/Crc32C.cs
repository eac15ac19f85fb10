using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BlockRepl.Primitives;

/// <summary>
/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) with the usual initial value and final inversion. Long data by carry-less multiplication where the processor has it for wide
/// vectors; else by its CRC instruction, through <see cref="BitOperations"/>, in three lanes at once, because that takes one step a cycle and three cycles for each.
/// Thread-safe; allocates nothing.
/// </summary>
public static class Crc32C
{
    /// <summary>State before the first byte, for <see cref="Update"/>.</summary>
    public const uint Start = 0xFFFFFFFF;

    // Below that the end of the folding costs what it saves.
    private const int FoldedBytesMin = 512;

    // Three lanes fill a block of 4 KiB but for 16 bytes.
    private const int LaneWords = 170;

    private static readonly uint[] PastLane = ShiftTable();

    /// <summary>CRC of <paramref name="data"/>.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Finish(Update(Start, data));

    /// <summary>Turns a running state into the CRC.</summary>
    public static uint Finish(uint state) => ~state;

    /// <summary>Takes more bytes into a running state.</summary>
    public static uint Update(uint state, ReadOnlySpan<byte> data)
    {
        if (Crc32CFolding.IsSupported && data.Length >= FoldedBytesMin)
        {
            int whole = data.Length - (data.Length % Crc32CFolding.StepBytes);
            state = Crc32CFolding.Update(state, in MemoryMarshal.GetReference(data), whole);
            data = data[whole..];
        }

        return UpdateByInstruction(state, data);
    }

    /// <summary>As <see cref="Update"/>, the way that every processor can; for tests.</summary>
    internal static uint UpdateByInstruction(uint state, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        ReadOnlySpan<byte> tail = data[(words.Length * sizeof(ulong))..];
        for (; words.Length >= 3 * LaneWords; words = words[(3 * LaneWords)..])
            state = UpdateLanes(state, words);
        foreach (ulong word in words)
            state = Step(state, word);
        foreach (byte b in tail)
            state = BitOperations.Crc32C(state, b);
        return state;
    }

    // The state is linear over GF(2): that of lanes in a row is the first one's, moved past the second lane, xor the second one's from zero, and so on.
    private static uint UpdateLanes(uint state, ReadOnlySpan<ulong> words)
    {
        ref ulong at = ref MemoryMarshal.GetReference(words);
        uint second = 0;
        uint third = 0;
        for (int i = 0; i < LaneWords; i++)
        {
            state = Step(state, Unsafe.Add(ref at, i));
            second = Step(second, Unsafe.Add(ref at, i + LaneWords));
            third = Step(third, Unsafe.Add(ref at, i + (2 * LaneWords)));
        }

        return MovePastLane(MovePastLane(state) ^ second) ^ third;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Step(uint state, ulong word) =>
        BitOperations.Crc32C(state, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));

    // What the state becomes by a lane of zeroes.
    private static uint MovePastLane(uint state)
    {
        uint[] table = PastLane;
        return table[(byte)state] ^ table[256 + (byte)(state >> 8)] ^ table[512 + (byte)(state >> 16)] ^ table[768 + (state >> 24)];
    }

    private static uint[] ShiftTable()
    {
        var table = new uint[4 * 256];
        for (int bit = 0; bit < 32; bit++)
        {
            uint moved = 1u << bit;
            for (int i = 0; i < LaneWords; i++)
                moved = BitOperations.Crc32C(moved, 0UL);

            // Every value with this bit, from that without it.
            int row = bit / 8 * 256;
            int mask = 1 << (bit % 8);
            for (int value = mask; value < 2 * mask; value++)
                table[row + value] = moved ^ table[row + value - mask];
        }

        return table;
    }
}
