namespace BlockRepl.Core;

/// <summary>What a node believes of itself when its peer is gone (DRBD: <c>fencing</c>).</summary>
public enum FencingPolicy : byte
{
    /// <summary>A lost peer does not put this node's data in doubt.</summary>
    DontCare,

    /// <summary>The data is Consistent, not UpToDate, until a handler or the peer says otherwise.</summary>
    ResourceOnly,

    /// <summary>As <see cref="ResourceOnly"/>; a Primary also freezes its I/O until the handler answers.</summary>
    ResourceAndStonith,
}
