using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The sender asks whether it may take a role.</summary>
/// <param name="Id">Chosen by the sender; comes back in the reply.</param>
/// <param name="Role">The role that it wants.</param>
/// <param name="Forced">A person has said <c>--force</c>: only a Primary refuses that.</param>
public sealed record RoleRequestMessage(ulong Id, Role Role, bool Forced = false) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.RoleRequest;
}
