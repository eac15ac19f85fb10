namespace BlockRepl.Protocol;

/// <summary>Answers a role request.</summary>
/// <param name="Id">Of the request.</param>
/// <param name="Granted">Whether the role may be taken.</param>
/// <param name="Reason">A sentence for people when it may not.</param>
public sealed record RoleReplyMessage(ulong Id, bool Granted, string Reason) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.RoleReply;
}
