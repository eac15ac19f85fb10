namespace BlockRepl.Protocol;

/// <summary>The answer. Granted: the sender does not count on that disk any more.</summary>
/// <param name="Id">Which request it answers.</param>
/// <param name="Granted">Whether the disk may go.</param>
/// <param name="Reason">Why not, in words.</param>
public sealed record DetachReplyMessage(ulong Id, bool Granted, string Reason) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.DetachReply;
}
