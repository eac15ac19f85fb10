using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The sender has durably recorded that it is the target.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
public sealed record SyncBegunMessage(VolumeNr Nr) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.SyncBegun;
}
