using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>A part of the sender's dirty bitmap towards the receiver, run-length coded.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="FirstBlock">The first block that the runs speak of.</param>
/// <param name="Runs">Lengths in blocks: clear, set, clear, ... The array belongs to the message.</param>
/// <param name="Last">No part of this volume follows.</param>
public sealed record BitmapPartMessage(VolumeNr Nr, ulong FirstBlock, ulong[] Runs, bool Last) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.BitmapPart;
}
