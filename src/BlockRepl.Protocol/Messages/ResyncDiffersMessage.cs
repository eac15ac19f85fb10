using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>How a range of <see cref="ResyncHashesMessage"/> compared. Since version 2.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Number">The range.</param>
/// <param name="Different">Bit i is set when block i of the range differs.</param>
public sealed record ResyncDiffersMessage(VolumeNr Nr, ulong Number, ulong Different) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResyncDiffers;
}
