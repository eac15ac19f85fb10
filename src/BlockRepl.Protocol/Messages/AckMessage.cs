using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>How far the sender has come with the changes it received.</summary>
/// <param name="ReceivedSequence">Everything up to here has arrived (protocol B).</param>
/// <param name="AppliedSequence">Every write up to here is on the sender's disk, FUA writes stably.</param>
/// <param name="Stable">How far each volume is on stable storage.</param>
public sealed record AckMessage(
    SequenceNumber ReceivedSequence,
    SequenceNumber AppliedSequence,
    ImmutableArray<StableMark> Stable) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.Ack;
}
