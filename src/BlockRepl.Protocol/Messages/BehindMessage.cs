namespace BlockRepl.Protocol;

/// <summary>The Primary stops mirroring, on all volumes, at this place of the stream: its receiver is Behind (version 2).</summary>
public sealed record BehindMessage : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.Behind;
}
