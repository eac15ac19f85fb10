using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>
/// A Primary without a good disk of its own asks its peer for a range of a volume. With <paramref name="ServeGeneration"/> and an empty range it asks the
/// peer to serve the volume under that generation from here in the stream on: the peer answers when it knows so durably.
/// </summary>
/// <param name="Id">Names the request in the reply; the asker's own.</param>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Range">What is wanted; empty with a generation.</param>
/// <param name="ServeGeneration">The generation of everything that the Primary changes through the peer; none for a read.</param>
public sealed record ReadRequestMessage(
    ulong Id,
    VolumeNr Nr,
    ByteRange Range,
    GenerationId ServeGeneration) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ReadRequest;
}
