using BenchmarkDotNet.Attributes;
using BlockRepl.Sim;

namespace BlockRepl.Micro;

/// <summary>What Core itself costs: an event in, effects out, and the completions that end it. No disk, no wire.</summary>
[MemoryDiagnoser]
public class CoreBenchmarks
{
    private readonly HotPath _primary = HotPath.OnPrimary();
    private readonly HotPath _secondary = HotPath.OnSecondary();

    [Benchmark]
    public void PrimaryWrite() => _primary.Write();

    [Benchmark]
    public void PrimaryFlush() => _primary.Flush();

    [Benchmark]
    public void SecondaryWrite() => _secondary.PeerWrite();

    [Benchmark]
    public void SecondaryBarrier() => _secondary.PeerBarrier();
}
