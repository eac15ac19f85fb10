using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>A Secondary wants to stop using its disk, and asks the Primary whether it can do without. Since version 2.</summary>
/// <param name="Id">Names the request in its answer.</param>
/// <param name="Nr">The sender's number of the volume.</param>
public sealed record DetachRequestMessage(ulong Id, VolumeNr Nr) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.DetachRequest;
}
