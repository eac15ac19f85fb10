using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What came of a <see cref="EffectKind.GrowDisk"/>.</summary>
/// <param name="CapacityBytes">What the disk can hold now; as before if it did not grow.</param>
/// <param name="ReadsZero">Everything behind what was served reads as zeroes, for certain.</param>
/// <param name="Refusal">Why the new size could not be taken up, in words; empty if it was, or if there was none. All is then as before.</param>
/// <param name="Result">An error that costs the disk: its metadata may be neither at the old place nor at the new one.</param>
public sealed record GrownDisk(long CapacityBytes, bool ReadsZero, string Refusal, DiskResult Result);
