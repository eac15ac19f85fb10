namespace BlockRepl.Protocol;

/// <summary>Last frame of an orderly end.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Detail">A sentence for people.</param>
public sealed record GoodbyeMessage(GoodbyeReason Reason, string Detail) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.Goodbye;
}
