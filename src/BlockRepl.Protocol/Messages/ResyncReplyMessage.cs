namespace BlockRepl.Protocol;

/// <summary>Answer to a <see cref="ResyncRequestMessage"/>. Since version 2.</summary>
/// <param name="Id">The request.</param>
/// <param name="Granted">The resync begins: the source goes on with SyncBegin, a target that has marks to tell with its bitmap.</param>
/// <param name="Reason">Why not, for people.</param>
public sealed record ResyncReplyMessage(ulong Id, bool Granted, string Reason) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResyncReply;
}
