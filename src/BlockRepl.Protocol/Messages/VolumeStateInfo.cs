using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>What the sender of a <see cref="ResourceStateMessage"/> knows of one volume.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Name">Its name, the same on both nodes.</param>
/// <param name="SizeBytes">The size that the sender serves, or would serve.</param>
/// <param name="DiskState">The sender's disk.</param>
/// <param name="CurrentGeneration">The generation of the sender's data.</param>
/// <param name="BitmapGeneration">The generation that the marks against the receiver start from.</param>
/// <param name="History">Earlier generations, newest first.</param>
/// <param name="Flags">Facts about how the sender's node ended last.</param>
/// <param name="DirtyBlocks">Blocks marked against the receiver.</param>
public sealed record VolumeStateInfo(
    VolumeNr Nr,
    string Name,
    long SizeBytes,
    DiskState DiskState,
    GenerationId CurrentGeneration,
    GenerationId BitmapGeneration,
    ImmutableArray<GenerationId> History,
    VolumeFlags Flags,
    long DirtyBlocks)
{
    /// <summary>When the sender went on alone, in milliseconds since 1970 (UTC) by its own clock; 0 if it did not or does not know (since version 2).</summary>
    public long BitmapSinceMs { get; init; }

    /// <summary>What the sender's disk can hold, at least <see cref="SizeBytes"/>; 0 where a version 1 peer does not say.</summary>
    public long CapacityBytes { get; init; }
}
