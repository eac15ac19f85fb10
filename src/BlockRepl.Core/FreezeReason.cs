namespace BlockRepl.Core;

/// <summary>Why new changes are held back. Each who holds them back lets go for itself; they go on when nobody holds them back any more.</summary>
[Flags]
internal enum FreezeReason : byte
{
    None = 0,

    /// <summary>A handshake describes this node: nothing may change until it is over (I10).</summary>
    Handshake = 1,

    /// <summary>A demotion is under way.</summary>
    RoleChange = 2,

    /// <summary>A disk comes back under the Primary: a handshake is to say how it becomes current again.</summary>
    Attach = 16,

    /// <summary>Nobody can serve, and requests are to wait (<c>on-no-data-accessible suspend-io</c>).</summary>
    NoData = 32,
}
