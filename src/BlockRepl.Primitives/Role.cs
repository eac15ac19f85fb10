namespace BlockRepl.Primitives;

/// <summary>A node's role for a resource. Values go over the wire and never change.</summary>
public enum Role : byte
{
    /// <summary>Not known: the peer is not connected.</summary>
    Unknown = 0,

    /// <summary>Serves the volumes to clients and originates every change.</summary>
    Primary = 1,

    /// <summary>Receives the Primary's changes; serves nobody.</summary>
    Secondary = 2,
}
