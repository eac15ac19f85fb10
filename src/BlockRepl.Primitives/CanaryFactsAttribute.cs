#if CANARIES
namespace BlockRepl.Primitives;

/// <summary>What a <see cref="Canary"/> is about. Only in the build that has canaries.</summary>
/// <param name="promises">The promises that it breaks (docs/ARCHITECTURE.md, docs/invariants.md).</param>
/// <param name="sentence">What goes wrong.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class CanaryFactsAttribute(string promises, string sentence) : Attribute
{
    /// <summary>The promises that it breaks.</summary>
    public string Promises { get; } = promises;

    /// <summary>What goes wrong.</summary>
    public string Sentence { get; } = sentence;

    /// <summary>Seeds, from the first on, within which the simulator must find it.</summary>
    public int SeedsMax { get; init; }

    /// <summary>The simulator does not find it within so many seeds yet (docs/canaries.md).</summary>
    public bool IsOpen { get; init; }
}
#endif
