namespace BlockRepl.Rpc.Tests;

public class CompressionTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    public void Blocks_come_back(int length)
    {
        byte[] source = Text(length);
        var packed = new byte[length + 64];
        Assert.True(Lz4.TryCompress(source, packed, out int written));
        var back = new byte[length];
        Assert.True(Lz4.TryDecompress(packed.AsSpan(0, written), back));
        Assert.Equal(source, back);
    }

    [Fact]
    public void The_length_must_be_exact()
    {
        byte[] source = Text(4096);
        var packed = new byte[5000];
        Assert.True(Lz4.TryCompress(source, packed, out int written));
        Assert.False(Lz4.TryDecompress(packed.AsSpan(0, written), new byte[4095]));
        Assert.False(Lz4.TryDecompress(packed.AsSpan(0, written), new byte[4097]));
        Assert.False(Lz4.TryDecompress(packed.AsSpan(0, written - 1), new byte[4096]));
        Assert.False(Lz4.TryDecompress([], new byte[10]));
    }

    [Fact]
    public void Too_small_a_destination_is_no_success() =>
        Assert.False(Lz4.TryCompress(Pair.Bytes(4096, 1), new byte[3000], out _));

    [Fact]
    public void Hostile_blocks_do_no_harm()
    {
        var random = new Random(1);
        var target = new byte[8192];
        byte[] packed = new byte[5000];
        Assert.True(Lz4.TryCompress(Text(8192), packed, out int written));
        for (int i = 0; i < 20_000; i++)
        {
            byte[] block = packed[..written];
            for (int k = 0; k < 3; k++)
                block[random.Next(block.Length)] = (byte)random.Next(256);
            Lz4.TryDecompress(block, target);
        }
    }

    [Fact]
    public void Off_never_compresses() => Assert.False(new CompressionGovernor(CompressionMode.Off).TryCompress(Text(65536), new byte[65536], out _));

    [Theory]
    [InlineData(CompressionMode.Lz4)]
    [InlineData(CompressionMode.Auto)]
    public void Text_is_compressed(CompressionMode mode)
    {
        var governor = new CompressionGovernor(mode);
        byte[] source = Text(65536);
        var packed = new byte[65536];
        Assert.True(governor.TryCompress(source, packed, out int written));
        Assert.InRange(written, 1, 65536 * 7 / 8);
        var back = new byte[65536];
        Assert.True(Lz4.TryDecompress(packed.AsSpan(0, written), back));
        Assert.Equal(source, back);
    }

    [Fact]
    public void Auto_backs_off_exponentially_and_comes_back()
    {
        var governor = new CompressionGovernor(CompressionMode.Auto);
        byte[] noise = Pair.Bytes(65536, 9);
        var packed = new byte[65536];
        var looks = new List<int>();
        for (int i = 0; i < 1000; i++)
        {
            if (!governor.SkipsNext())
            {
                looks.Add(i);
                Assert.False(governor.TryCompress(noise, packed, out int written));
                Assert.Equal(0, written);
            }
        }

        Assert.Equal([0, 2, 5, 10, 19, 36, 69, 134, 263, 520, 777], looks);
        int until = 0;
        while (!governor.TryCompress(Text(65536), packed, out _))
            until++;
        Assert.InRange(until, 0, CompressionGovernor.SkipMax);
        // One success, and the next failure costs one batch again.
        Assert.False(governor.TryCompress(noise, packed, out _));
        Assert.True(governor.SkipsNext());
        Assert.False(governor.SkipsNext());
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        var governor = new CompressionGovernor(CompressionMode.Auto);
        byte[] source = Text(65536);
        var packed = new byte[65536];
        Assert.True(governor.TryCompress(source, packed, out _));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            governor.TryCompress(source, packed, out _);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static byte[] Text(int length)
    {
        var text = new byte[length];
        for (int i = 0; i < length; i++)
            text[i] = (byte)("the quick brown fox "[i % 20] + (i / 3000));
        return text;
    }
}
