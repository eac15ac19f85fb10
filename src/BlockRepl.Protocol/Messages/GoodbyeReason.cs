namespace BlockRepl.Protocol;

/// <summary>Why a node ends a connection in good order. Values go over the wire.</summary>
public enum GoodbyeReason : byte
{
    /// <summary>Not said, or a reason that this version does not know.</summary>
    Unspecified = 0,

    /// <summary>An operator disconnected.</summary>
    Disconnect = 1,

    /// <summary>The sender's daemon stops.</summary>
    Shutdown = 2,

    /// <summary>The sender wants a fresh handshake.</summary>
    Renegotiate = 3,

    /// <summary>Split brain (G7).</summary>
    SplitBrain = 4,

    /// <summary>The data have no common history (G7).</summary>
    Unrelated = 5,

    /// <summary>The sender's state does not allow the connection; the detail says why.</summary>
    Refused = 6,

    /// <summary>The receiver broke the protocol.</summary>
    Protocol = 7,

    /// <summary>A Primary would have to be overwritten, or the only source is Inconsistent (since version 2; version 1 is told <see cref="Refused"/>).</summary>
    RoleConflict = 8,
}
