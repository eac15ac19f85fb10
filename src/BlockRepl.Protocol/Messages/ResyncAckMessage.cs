using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The target has written resync data; a checkpoint makes it stable. Since version 2.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Pieces">Pieces (ResyncData frames) written since the resync began, in whatever order.</param>
public sealed record ResyncAckMessage(VolumeNr Nr, ulong Pieces) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResyncAck;
}
