using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The target has written resync data; a checkpoint makes it stable. Since version 2.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="WrittenBytes">Bytes written since the resync began, of all pieces that are done.</param>
public sealed record ResyncAckMessage(VolumeNr Nr, long WrittenBytes) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResyncAck;
}
