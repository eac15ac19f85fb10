using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>How a range compared (version 2).</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Id">The comparison.</param>
/// <param name="Number">The range.</param>
/// <param name="Different">Bit i is set when block i of the range differs.</param>
public sealed record VerifyResultMessage(VolumeNr Nr, ulong Id, ulong Number, ulong Different) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.VerifyResult;
}
