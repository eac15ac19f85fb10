using BenchmarkDotNet.Attributes;
using BlockRepl.Primitives;

namespace BlockRepl.Micro;

/// <summary>CRC-32C, computed on each side of the wire for every byte.</summary>
public class CrcBenchmarks
{
    private byte[] _data = [];

    [Params(512, 4096, 1 << 20)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void Fill() => _data = Samples.Random(Bytes);

    [Benchmark]
    public uint Compute() => Crc32C.Compute(_data);
}
