using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The sender wants a resync of a volume that runs in sync now, without a new handshake. Since version 2.</summary>
/// <param name="Id">Names the request in its answer.</param>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Full">Every block, not only the marked ones.</param>
/// <param name="SenderIsTarget">The sender's data is to be overwritten; otherwise the receiver's.</param>
public sealed record ResyncRequestMessage(ulong Id, VolumeNr Nr, bool Full, bool SenderIsTarget) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResyncRequest;
}
