using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The sender's role or disks changed.</summary>
/// <param name="Role">The sender's role.</param>
/// <param name="Volumes">One entry a volume.</param>
public sealed record PeerStatusMessage(Role Role, ImmutableArray<PeerVolumeStatus> Volumes) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.PeerStatus;
}
