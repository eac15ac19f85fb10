using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The target has durably recorded the end of the resync.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
public sealed record SyncEndedMessage(VolumeNr Nr) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.SyncEnded;
}
