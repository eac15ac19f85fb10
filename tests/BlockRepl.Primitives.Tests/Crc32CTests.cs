namespace BlockRepl.Primitives.Tests;

/// <summary>CRC-32C against RFC 3720's examples and against the polynomial itself, bit by bit.</summary>
public class Crc32CTests
{
    // Three lanes of 1360 bytes are taken at once.
    private const int Lanes = 3 * 1360;

    [Fact]
    public void The_examples_of_RFC_3720_come_out()
    {
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray()));
        Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(Lanes - 1)]
    [InlineData(Lanes)]
    [InlineData(Lanes + 1)]
    [InlineData(4096)]
    [InlineData((2 * Lanes) + 13)]
    [InlineData(70_003)]
    [InlineData(512)]
    [InlineData(767)]
    [InlineData(1279)]
    public void Every_length_agrees_with_the_polynomial_bit_by_bit(int length)
    {
        byte[] data = Sample(length);
        uint expected = BitByBit(data);
        Assert.Equal(expected, Crc32C.Compute(data));
        Assert.Equal(expected, Crc32C.Finish(Crc32C.UpdateByInstruction(Crc32C.Start, data)));
    }

    [Fact]
    public void Every_number_of_steps_folds_alike_from_any_state_and_at_any_alignment()
    {
        // On a processor that cannot fold there is nothing to compare; the test above has the other way.
        byte[] data = Sample((20 * Crc32CFolding.StepBytes) + 64);
        for (int bytes = Crc32CFolding.StepBytes; Crc32CFolding.IsSupported && bytes <= 20 * Crc32CFolding.StepBytes; bytes += Crc32CFolding.StepBytes)
        {
            uint state = (uint)(bytes * 2654435761);
            ReadOnlySpan<byte> taken = data.AsSpan(bytes % 61, bytes);
            Assert.Equal(Crc32C.UpdateByInstruction(state, taken), Crc32CFolding.Update(state, in taken[0], bytes));
        }
    }

    [Fact]
    public void Data_in_pieces_give_what_they_give_in_one()
    {
        byte[] data = Sample(3 * Lanes);
        uint whole = Crc32C.Compute(data);
        foreach (int cut in new[] { 1, 7, 1360, Lanes - 5, Lanes, Lanes + 8, (2 * Lanes) + 1 })
            Assert.Equal(whole, Crc32C.Finish(Crc32C.Update(Crc32C.Update(Crc32C.Start, data.AsSpan(0, cut)), data.AsSpan(cut))));
    }

    [Fact]
    public void A_changed_bit_anywhere_in_the_lanes_changes_it()
    {
        byte[] data = Sample(Lanes);
        uint before = Crc32C.Compute(data);
        for (int at = 0; at < data.Length; at += 17)
        {
            data[at] ^= 0x20;
            Assert.NotEqual(before, Crc32C.Compute(data));
            data[at] ^= 0x20;
        }
    }

    private static byte[] Sample(int length)
    {
        var data = new byte[length];
        uint state = 2463534242;
        for (int i = 0; i < length; i++)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            data[i] = (byte)state;
        }

        return data;
    }

    private static uint BitByBit(ReadOnlySpan<byte> data)
    {
        uint state = 0xFFFFFFFF;
        foreach (byte b in data)
        {
            state ^= b;
            for (int bit = 0; bit < 8; bit++)
                state = (state >> 1) ^ (0x82F63B78 & (uint)-(int)(state & 1));
        }

        return ~state;
    }
}
