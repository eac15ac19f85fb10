using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The sender is the source of a resync that starts now.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="SyncGeneration">Generation under which the resync runs.</param>
/// <param name="Full">Every block is sent, whatever the bitmaps say.</param>
public sealed record SyncBeginMessage(VolumeNr Nr, GenerationId SyncGeneration, bool Full) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.SyncBegin;
}
