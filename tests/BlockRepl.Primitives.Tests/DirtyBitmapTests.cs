namespace BlockRepl.Primitives.Tests;

public sealed class DirtyBitmapTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(32640)]
    public void SetAll_and_ClearAll_touch_exactly_the_blocks_there_are(long blocks)
    {
        var bitmap = new DirtyBitmap(blocks);
        bitmap.SetAll();
        Assert.Equal(blocks, bitmap.SetCount);
        Assert.Equal(-1, bitmap.FindNextClear(0));
        Assert.Equal(blocks, bitmap.CountSet(0, blocks));
        Assert.Equal(-1, bitmap.FindNextSet(blocks));
        bitmap.ClearAll();
        Assert.Equal(0, bitmap.SetCount);
        Assert.Equal(-1, bitmap.FindNextSet(0));
        Assert.Equal(blocks == 0 ? -1 : 0, bitmap.FindNextClear(0));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Behaves_like_a_plain_array_of_booleans(int seed)
    {
        var random = new Random(seed);
        int blocks = random.Next(1, 700);
        var bitmap = new DirtyBitmap(blocks);
        bool[] model = new bool[blocks];
        for (int round = 0; round < 2000; round++)
        {
            int first = random.Next(blocks + 1);
            int count = random.Next(blocks - first + 1);
            bool value = random.Next(2) == 0;
            int expected = model.Skip(first).Take(count).Count(bit => bit != value);
            Assert.Equal(expected, value ? bitmap.Set(first, count) : bitmap.Clear(first, count));
            Array.Fill(model, value, first, count);
            Assert.Equal(model.Count(bit => bit), bitmap.SetCount);

            int from = random.Next(blocks + 1);
            Assert.Equal(Array.FindIndex(model, from, bit => bit), bitmap.FindNextSet(from));
            int clear = Array.FindIndex(model, from, bit => !bit);
            Assert.Equal(clear, bitmap.FindNextClear(from));
            if (from < model.Length)
            {
                int run = (clear < 0 ? model.Length : clear) - from;
                Assert.Equal(run, bitmap.CountRun(from, model.Length + 100L));
                Assert.Equal(Math.Min(run, 3), bitmap.CountRun(from, 3));
            }
            int length = random.Next(blocks - from + 1);
            Assert.Equal(model.Skip(from).Take(length).Count(bit => bit), bitmap.CountSet(from, length));
            if (from < blocks)
                Assert.Equal(model[from], bitmap.IsSet(from));
        }
    }

    [Fact]
    public void Or_unites_and_keeps_the_count()
    {
        var a = new DirtyBitmap(200);
        var b = new DirtyBitmap(200);
        a.Set(10, 60);
        b.Set(50, 100);
        a.Or(b);
        Assert.Equal(140, a.SetCount);
        Assert.Equal(10, a.FindNextSet(0));
        Assert.Equal(150, a.FindNextClear(10));
        Assert.Equal(100, b.SetCount);
    }

    [Fact]
    public void Words_beyond_the_last_block_are_ignored()
    {
        var bitmap = new DirtyBitmap(70);
        bitmap.OrWords(1, [ulong.MaxValue]);
        Assert.Equal(6, bitmap.SetCount);
        Assert.Equal(0x3FUL, bitmap.Words[1]);
    }

    [Fact]
    public void Ranges_outside_are_bugs()
    {
        var bitmap = new DirtyBitmap(100);
        Assert.Throws<BugException>(() => bitmap.Set(99, 2));
        Assert.Throws<BugException>(() => bitmap.Clear(-1, 1));
        Assert.Throws<BugException>(() => bitmap.CountSet(long.MaxValue, 1));
        Assert.Throws<BugException>(() => bitmap.IsSet(100));
        Assert.Throws<BugException>(() => bitmap.Or(new DirtyBitmap(101)));
    }

    [Fact]
    public void Nothing_allocates_after_construction()
    {
        var bitmap = new DirtyBitmap(100_000);
        Work(bitmap);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Work(bitmap);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void Work(DirtyBitmap bitmap)
    {
        bitmap.Set(100, 5000);
        bitmap.Clear(200, 300);
        bitmap.FindNextSet(0);
        bitmap.FindNextClear(150);
        bitmap.CountSet(0, 100_000);
        bitmap.Or(bitmap);
    }
}
