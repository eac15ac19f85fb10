using System.Collections.Immutable;

namespace BlockRepl.Protocol;

/// <summary>What the sender concluded from both states.</summary>
/// <param name="Volumes">One entry a volume.</param>
public sealed record VerdictMessage(ImmutableArray<VolumeVerdict> Volumes) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.Verdict;
}
