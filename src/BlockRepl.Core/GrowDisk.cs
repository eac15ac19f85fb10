using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What the edge needs to take up a disk's new size (<see cref="EffectKind.GrowDisk"/>).</summary>
/// <param name="Bitmaps">The dirty bitmap of each peer slot, null for a free one: they go to the metadata's new place as they are when that is written.</param>
/// <param name="ServedBytes">What is served now: whether everything behind it reads as zeroes is to be found out.</param>
public sealed record GrowDisk(ImmutableArray<DirtyBitmap?> Bitmaps, long ServedBytes);
