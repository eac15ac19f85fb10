using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The source has durably cleared the marks of a checkpoint.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Id">Number of the checkpoint, counted by the source.</param>
public sealed record SyncClearedMessage(VolumeNr Nr, ulong Id) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.SyncCleared;
}
