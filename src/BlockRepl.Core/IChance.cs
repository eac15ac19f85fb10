namespace BlockRepl.Core;

/// <summary>Where Core's random numbers come from: the operating system in the daemon, a seed in the simulator.</summary>
public interface IChance
{
    /// <summary>64 uniformly random bits.</summary>
    ulong NextUInt64();
}
