using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>Sent when nothing else was for a while: the process runs, whatever its receiver waits for.</summary>
/// <param name="AppliedSequence">As in <see cref="AckMessage"/>.</param>
public sealed record AliveMessage(SequenceNumber AppliedSequence) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.Alive;
}
