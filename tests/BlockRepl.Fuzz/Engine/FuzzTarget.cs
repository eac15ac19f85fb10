namespace BlockRepl.Fuzz.Engine;

/// <summary>Something that takes bytes from outside, and what must be true of it whatever they are.</summary>
internal abstract class FuzzTarget
{
    /// <summary>As the corpus and messages call it.</summary>
    public abstract string Name { get; }

    /// <summary>Most bytes that one case may allocate on its thread.</summary>
    public virtual long AllocatedBytesMax => 4 << 20;

    /// <summary>Longest that one case may take.</summary>
    public virtual int MillisecondsMax => 5_000;

    /// <summary>Makes an input: something valid, or nearly.</summary>
    public abstract byte[] Make(Prng chance);

    /// <summary>Hands the input to the code, and throws if something is not as it must be.</summary>
    public abstract void Run(byte[] input);
}
