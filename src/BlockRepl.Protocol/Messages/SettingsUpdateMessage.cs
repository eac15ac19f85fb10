using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The sender's configuration was changed while connected. Since version 2.</summary>
/// <param name="Protocol">When a write counts as done, by the sender's configuration from now on.</param>
public sealed record SettingsUpdateMessage(WriteProtocol Protocol) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.SettingsUpdate;
}
