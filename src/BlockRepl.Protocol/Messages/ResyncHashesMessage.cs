using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>Hashes of a range as it is on the source at this place of the stream. Since version 2.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Number">Names the range in the answer.</param>
/// <param name="Range">Begins at a block, ends at one or at the volume's end, at most <see cref="BlockHash.BlocksMax"/> blocks.</param>
/// <param name="Hashes">A hash a block, in order (<see cref="BlockHash"/>). The array belongs to the message.</param>
public sealed record ResyncHashesMessage(VolumeNr Nr, ulong Number, ByteRange Range, byte[] Hashes) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResyncHashes;
}
