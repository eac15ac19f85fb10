namespace BlockRepl.Protocol;

/// <summary>
/// A Secondary's facts have changed (a volume came or goes): it asks the Primary to end the connection at a moment when nothing is in flight, so that the next handshake has
/// nothing to resync. Since version 2.
/// </summary>
/// <param name="Reason">A sentence for people.</param>
public sealed record RenegotiateRequestMessage(string Reason) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.RenegotiateRequest;
}
