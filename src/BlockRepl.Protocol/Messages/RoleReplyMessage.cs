namespace BlockRepl.Protocol;

/// <summary>Answers a role request.</summary>
/// <param name="Id">Of the request.</param>
/// <param name="Granted">Whether the role may be taken.</param>
/// <param name="Reason">A sentence for people when it may not.</param>
/// <param name="IsOlder">It may not because the asker's data are older than what this node knows of: to ask again changes nothing. A peer that does not know the field leaves it out.</param>
public sealed record RoleReplyMessage(ulong Id, bool Granted, string Reason, bool IsOlder = false) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.RoleReply;
}
