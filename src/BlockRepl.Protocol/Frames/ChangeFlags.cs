namespace BlockRepl.Protocol;

/// <summary>Flags of a change. Values go over the wire; an unknown one is an error, for it may matter.</summary>
[Flags]
public enum ChangeFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Done only when stable (NBD: FUA).</summary>
    Fua = 1,

    /// <summary>The range must stay allocated (NBD: NO_HOLE).</summary>
    KeepAllocated = 2,

    /// <summary>A barrier that no client waits for: it need not be hurried.</summary>
    Background = 4,
}
