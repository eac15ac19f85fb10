using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>Answers a <see cref="ResizeRequestMessage"/>, once what it says is durable. Since version 2.</summary>
/// <param name="Id">Of the request.</param>
/// <param name="Nr">The answering node's number of the volume.</param>
/// <param name="SizeBytes">What the disk can hold; after a commit what the node serves.</param>
/// <param name="ReadsZero">Everything behind the size that is served reads as zeroes.</param>
/// <param name="Reason">A sentence for people why it was not done; empty if it was.</param>
public sealed record ResizeReplyMessage(ulong Id, VolumeNr Nr, long SizeBytes, bool ReadsZero, string Reason) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResizeReply;
}
