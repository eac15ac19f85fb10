using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What is to be saved of a volume before a resync throws it away: <see cref="Effect.Subject"/> of <see cref="EffectKind.SaveBlocks"/>, handed back in the <see cref="SaveOutcome"/>.</summary>
/// <param name="Volume">The volume.</param>
/// <param name="Peer">The node whose data will replace it.</param>
/// <param name="Blocks">The blocks to save; null for all. A copy that nobody changes.</param>
public sealed record SaveRequest(VolumeNr Volume, PeerId Peer, DirtyBitmap? Blocks)
{
    /// <summary>Bytes of the volume that the pair serves.</summary>
    public required long VolumeBytes { get; init; }

    /// <summary>Generation of the data.</summary>
    public required GenerationId Generation { get; init; }

    /// <summary>Generation that both nodes went on from; none if not known.</summary>
    public required GenerationId BaseGeneration { get; init; }

    /// <summary>When this node went on alone, in milliseconds since 1970 (UTC); 0 if not known.</summary>
    public required long SinceMs { get; init; }

    /// <summary>When it was asked for, in monotonic milliseconds.</summary>
    public required long AskedMs { get; init; }
}
