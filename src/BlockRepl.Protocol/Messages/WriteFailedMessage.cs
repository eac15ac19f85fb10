using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>A change could not be applied. The receiver marks the range before it counts the change as done (G8).</summary>
/// <param name="Sequence">Number of the change.</param>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Range">What may differ now.</param>
/// <param name="Errno">The positive Linux error number.</param>
public sealed record WriteFailedMessage(
    SequenceNumber Sequence,
    VolumeNr Nr,
    ByteRange Range,
    int Errno) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.WriteFailed;
}
