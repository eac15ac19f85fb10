using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>What the sender concluded for one volume; the two sides' results must mirror each other (hard part 19).</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Result">Direction or refusal; positive: the sender is the source.</param>
/// <param name="Rule">Number of the rule that decided.</param>
public readonly record struct VolumeVerdict(VolumeNr Nr, int Result, uint Rule);
