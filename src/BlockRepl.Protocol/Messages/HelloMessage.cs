namespace BlockRepl.Protocol;

/// <summary>First frame each way. Its bytes never change between versions.</summary>
/// <param name="VersionMin">The oldest version that the sender speaks.</param>
/// <param name="VersionMax">The newest version that the sender speaks.</param>
/// <param name="Features">Feature bits, unknown ones included.</param>
/// <param name="Node">The sender.</param>
/// <param name="Peer">Whom the sender believes it talks to.</param>
/// <param name="Resource">The resource of this stream.</param>
/// <param name="Incarnation">Random, drawn at each start of the sender's daemon.</param>
public sealed record HelloMessage(
    uint VersionMin,
    uint VersionMax,
    ProtocolFeatures Features,
    string Node,
    string Peer,
    string Resource,
    ulong Incarnation) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.Hello;
}
