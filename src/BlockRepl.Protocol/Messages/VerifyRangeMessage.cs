using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>
/// Digests of a range as it is at this place of the stream: behind every change that came before it and before every later one (version 2).
/// </summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Id">The comparison.</param>
/// <param name="Number">Names the range within the comparison.</param>
/// <param name="Range">Begins at a block, ends at one or at the volume's end, at most <see cref="BlockDigest.BlocksMax"/> blocks.</param>
/// <param name="Digests">A digest a block, in order (<see cref="BlockDigest"/>). The array belongs to the message.</param>
public sealed record VerifyRangeMessage(VolumeNr Nr, ulong Id, ulong Number, ByteRange Range, byte[] Digests) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.VerifyRange;
}
