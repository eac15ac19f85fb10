using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The source has sent everything; the target takes over its generations.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="CurrentGeneration">The source's generation, from now on also the target's.</param>
/// <param name="History">Earlier generations, newest first.</param>
public sealed record SyncEndMessage(
    VolumeNr Nr,
    GenerationId CurrentGeneration,
    ImmutableArray<GenerationId> History) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.SyncEnd;
}
