using BenchmarkDotNet.Attributes;
using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Micro;

/// <summary>The set of changes under way: one more comes and goes while so many others run.</summary>
public class IntervalBenchmarks
{
    private readonly ActiveChanges _active = new();
    private readonly ChangeRequest _one = new() { Range = new ByteRange(1L << 40, Block.Size) };

    [Params(1, 32, 512)]
    public int UnderWay { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        for (int i = 0; i < UnderWay; i++)
            _active.TryStart(new ChangeRequest { Range = new ByteRange((long)i << 20, Block.Size) });
    }

    [Benchmark]
    public void StartAndEnd()
    {
        _active.TryStart(_one);
        _active.Remove(_one);
    }
}
