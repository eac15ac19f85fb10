namespace BlockRepl.Sim.Run;

/// <summary>A promise was broken.</summary>
internal sealed class ViolationException(string promise, string what) : Exception($"{promise}: {what}")
{
    /// <summary>Its number, or a word.</summary>
    public string Promise { get; } = promise;
}
