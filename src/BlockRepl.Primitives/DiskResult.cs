namespace BlockRepl.Primitives;

/// <summary>Result of a disk operation: zero, or the positive Linux errno that the kernel gave.</summary>
public readonly record struct DiskResult(int Errno)
{
    /// <summary>Success.</summary>
    public static readonly DiskResult Ok = new(0);

    /// <summary>EIO: also what an injected fault reports.</summary>
    public static readonly DiskResult Io = new(5);

    /// <summary>ENOSPC: no room under a sparse file or a thin volume.</summary>
    public static readonly DiskResult NoSpace = new(28);

    /// <summary>EOPNOTSUPP: the disk cannot do this (punch a hole, say); the caller must do it another way.</summary>
    public static readonly DiskResult NotSupported = new(95);

    /// <summary>Whether the operation succeeded.</summary>
    public bool IsOk => Errno == 0;

    /// <inheritdoc/>
    public override string ToString() => Errno switch
    {
        0 => "ok",
        5 => "EIO (input/output error)",
        28 => "ENOSPC (no space left on device)",
        30 => "EROFS (read-only)",
        95 => "EOPNOTSUPP (not supported)",
        _ => $"errno {Errno}",
    };
}
