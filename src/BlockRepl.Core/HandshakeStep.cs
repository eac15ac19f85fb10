namespace BlockRepl.Core;

/// <summary>How far the handshake of a link has come. Drawn in docs/peer-protocol.md, "Handshake".</summary>
internal enum HandshakeStep : byte
{
    /// <summary>No link.</summary>
    None,

    /// <summary>Link up, this node's Hello sent; the peer's is awaited.</summary>
    Hello,

    /// <summary>Hellos agree. New changes are held back and those under way are awaited, so that the state sent is complete (I10).</summary>
    Draining,

    /// <summary>This node's state is sent; the peer's is awaited.</summary>
    State,

    /// <summary>This node's verdict is sent; the peer's is awaited.</summary>
    Verdict,

    /// <summary>Both verdicts agree.</summary>
    Done,
}
