using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>What the sender knows of the resource when the connection starts.</summary>
/// <param name="Role">The sender's role.</param>
/// <param name="Protocol">When a write counts as done.</param>
/// <param name="Volumes">Every volume of the sender's configuration.</param>
/// <param name="NextSequence">Number of the first change that will follow on this connection.</param>
/// <param name="DiscardMyData">The operator named the sender the victim of a split brain.</param>
public sealed record ResourceStateMessage(
    Role Role,
    WriteProtocol Protocol,
    ImmutableArray<VolumeStateInfo> Volumes,
    SequenceNumber NextSequence,
    bool DiscardMyData) : PeerMessage
{
    /// <summary>The sender's policies about split brains in one line (since version 2); empty for the defaults.</summary>
    public string SplitBrainPolicies { get; init; } = "";

    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResourceState;
}
