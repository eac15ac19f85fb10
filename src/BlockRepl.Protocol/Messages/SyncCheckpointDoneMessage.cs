using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The target has made it stable.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Id">Number of the checkpoint, counted by the source.</param>
public sealed record SyncCheckpointDoneMessage(VolumeNr Nr, ulong Id) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.SyncCheckpointDone;
}
