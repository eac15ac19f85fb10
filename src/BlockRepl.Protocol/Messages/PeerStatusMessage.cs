using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The sender's role, disks or resyncs changed.</summary>
/// <param name="Role">The sender's role.</param>
/// <param name="Volumes">One entry a volume.</param>
public sealed record PeerStatusMessage(Role Role, ImmutableArray<PeerVolumeStatus> Volumes) : PeerMessage
{
    /// <summary>Resyncs that run or are paused. Since version 2; an older peer ignores it.</summary>
    public ImmutableArray<ResyncStatus> Resyncs { get; init; } = [];

    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.PeerStatus;
}
