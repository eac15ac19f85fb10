namespace BlockRepl.Nbd;

/// <summary>Error numbers that NBD allows on the wire (proto.md "Error values"); the values are the wire's.</summary>
public enum NbdError : uint
{
    /// <summary>No error.</summary>
    Ok = 0,

    /// <summary>Operation not permitted: a change to a read-only export.</summary>
    EPERM = 1,

    /// <summary>Input/output error; also every cause that has no number of its own.</summary>
    EIO = 5,

    /// <summary>Out of memory.</summary>
    ENOMEM = 12,

    /// <summary>The request breaks a rule of the protocol or of this export.</summary>
    EINVAL = 22,

    /// <summary>No space, or a change beyond the end of the export.</summary>
    ENOSPC = 28,

    /// <summary>A read with <see cref="NbdCommandFlags.DontFragment"/> that cannot be answered in one chunk.</summary>
    EOVERFLOW = 75,

    /// <summary>Only for <see cref="NbdCommandFlags.FastZero"/>: zeroing would be as slow as writing.</summary>
    ENOTSUP = 95,

    /// <summary>The server is going away.</summary>
    ESHUTDOWN = 108,
}
