namespace BlockRepl.Sim;

/// <summary>Seeded random numbers (SplitMix64): the same seed gives the same run on every machine and version of .NET.</summary>
public sealed class Prng(ulong seed) : IChance
{
    private ulong _state = seed;

    /// <inheritdoc/>
    public ulong NextUInt64()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to <paramref name="bound"/> - 1.</summary>
    public int Below(int bound) => (int)(NextUInt64() % (ulong)bound);

    /// <summary>True once in <paramref name="n"/>.</summary>
    public bool OneIn(int n) => Below(n) == 0;
}
