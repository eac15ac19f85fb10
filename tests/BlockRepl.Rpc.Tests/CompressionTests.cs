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
    public void Off_never_compresses() => Assert.False(new CompressionGovernor(CompressionMode.Off).TryCompress(Text(65536), new byte[65536], 0, out _));

    [Theory]
    [InlineData(CompressionMode.Lz4)]
    [InlineData(CompressionMode.Auto)]
    public void Text_is_compressed(CompressionMode mode)
    {
        var governor = new CompressionGovernor(mode);
        byte[] source = Text(65536);
        var packed = new byte[65536];
        Assert.True(governor.TryCompress(source, packed, 0, out int written));
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
                Assert.False(governor.TryCompress(noise, packed, 0, out int written));
                Assert.Equal(0, written);
            }
        }

        Assert.Equal([0, 2, 5, 10, 19, 36, 69, 134, 263, 520, 777], looks);
        int until = 0;
        while (!governor.TryCompress(Text(65536), packed, 0, out _))
            until++;
        Assert.InRange(until, 0, CompressionGovernor.SkipMax);
        // One success, and the next failure costs one batch again.
        Assert.False(governor.TryCompress(noise, packed, 0, out _));
        Assert.True(governor.SkipsNext());
        Assert.False(governor.SkipsNext());
    }

    [Theory]
    [InlineData(125_000_000, true)] // 1 Gbit/s
    [InlineData(600_000_000, true)]
    [InlineData(1_250_000_000, false)] // 10 Gbit/s
    [InlineData(5_000_000_000, false)]
    [InlineData(0, true)] // not known
    public void Auto_compresses_where_the_link_takes_longer_for_what_is_saved(long linkBytesPerSecond, bool expected)
    {
        // 4 KiB in 4 us are 1 GB/s; this text shrinks to next to nothing.
        var governor = new CompressionGovernor(CompressionMode.Auto, new SteadyClock(4_000));
        var packed = new byte[65536];
        Assert.Equal(expected, governor.TryCompress(Text(65536), packed, linkBytesPerSecond, out _));
        Assert.True(new CompressionGovernor(CompressionMode.Lz4, new SteadyClock(4_000)).TryCompress(Text(65536), packed, linkBytesPerSecond, out _));
    }

    [Fact]
    public void A_link_that_was_too_fast_is_looked_at_again_before_long()
    {
        var governor = new CompressionGovernor(CompressionMode.Auto, new SteadyClock(4_000));
        var packed = new byte[65536];
        Assert.False(governor.TryCompress(Text(65536), packed, 5_000_000_000, out _));
        int skipped = 0;
        while (governor.SkipsNext())
            skipped++;
        Assert.Equal(CompressionGovernor.FastLinkSkip, skipped);
        Assert.True(governor.TryCompress(Text(65536), packed, 125_000_000, out _));
    }

    [Fact]
    public void A_thread_that_waited_for_a_processor_does_not_make_the_link_seem_fast()
    {
        var clock = new SteadyClock(4_000);
        var governor = new CompressionGovernor(CompressionMode.Auto, clock);
        var packed = new byte[65536];
        Assert.True(governor.TryCompress(Text(65536), packed, 125_000_000, out _));
        clock.StepNs = 4_000_000;
        Assert.True(governor.TryCompress(Text(65536), packed, 125_000_000, out _));
    }

    [Fact]
    public void What_is_known_of_a_link_grows_old()
    {
        var rate = default(LinkRate);
        Assert.Equal(0, rate.Known(0));
        rate.See(125_000_000, 1_000);
        Assert.Equal(125_000_000, rate.Known(1_000 + LinkRate.FreshMs));
        Assert.Equal(0, rate.Known(1_001 + LinkRate.FreshMs));
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        var governor = new CompressionGovernor(CompressionMode.Auto);
        byte[] source = Text(65536);
        var packed = new byte[65536];
        Assert.True(governor.TryCompress(source, packed, 0, out _));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            governor.TryCompress(source, packed, 0, out _);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static byte[] Text(int length)
    {
        var text = new byte[length];
        for (int i = 0; i < length; i++)
            text[i] = (byte)("the quick brown fox "[i % 20] + (i / 3000));
        return text;
    }

    /// <summary>A clock on which as much time passes between any two looks.</summary>
    private sealed class SteadyClock(long stepNs) : TimeProvider
    {
        private long _now;

        public long StepNs { get; set; } = stepNs;

        public override long TimestampFrequency => 1_000_000_000;

        public override long GetTimestamp() => _now += StepNs;
    }
}
