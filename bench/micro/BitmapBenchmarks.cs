using BenchmarkDotNet.Attributes;
using BlockRepl.Primitives;

namespace BlockRepl.Micro;

/// <summary>The dirty bitmap of a volume: marks set and cleared, and the search for the next one.</summary>
public class BitmapBenchmarks
{
    private const long BlocksPerTiB = 1L << 28;

    private readonly DirtyBitmap _bitmap = new(BlocksPerTiB);
    private readonly DirtyBitmap _sparse = new(BlocksPerTiB);
    private long _at;

    public BitmapBenchmarks() => _sparse.Set(BlocksPerTiB - 1, 1);

    [Benchmark]
    public void SetAndClearOneBlock()
    {
        _at = (_at + 7_919) % BlocksPerTiB;
        _bitmap.Set(_at, 1);
        _bitmap.Clear(_at, 1);
    }

    [Benchmark]
    public void SetAndClearAnExtent()
    {
        _at = (_at + 1_024) % (BlocksPerTiB - 1_024);
        _bitmap.Set(_at, 1_024);
        _bitmap.Clear(_at, 1_024);
    }

    [Benchmark]
    public long SearchAnEmptyTiB() => _sparse.FindNextSet(0);
}
