using BenchmarkDotNet.Attributes;
using BlockRepl.Rpc;

namespace BlockRepl.Micro;

/// <summary>LZ4 as the link uses it, and what the governor costs where nothing shrinks.</summary>
public class Lz4Benchmarks
{
    private byte[] _data = [];
    private byte[] _room = [];
    private byte[] _packed = [];
    private CompressionGovernor _governor = new(CompressionMode.Auto);

    [Params(4096, 1 << 20)]
    public int Bytes { get; set; }

    [Params("text", "random")]
    public string Data { get; set; } = "text";

    [GlobalSetup]
    public void Fill()
    {
        _data = Data == "text" ? Samples.Text(Bytes) : Samples.Random(Bytes);
        _room = new byte[Bytes + (Bytes / 128) + 64];
        Lz4.TryCompress(_data, _room, out int packed);
        _packed = _room[..packed];
        _governor = new CompressionGovernor(CompressionMode.Auto);
    }

    [Benchmark]
    public bool Compress() => Lz4.TryCompress(_data, _room, out _);

    [Benchmark]
    public bool Decompress() => Lz4.TryDecompress(_packed, _data);

    [Benchmark]
    public bool Govern() => !_governor.SkipsNext() && _governor.TryCompress(_data, _room, 0, out _);
}
