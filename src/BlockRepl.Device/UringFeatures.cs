namespace BlockRepl.Device;

/// <summary>What the kernel's io_uring can do (blockrepl_native.h, <c>br_uring_feature</c>).</summary>
[Flags]
public enum UringFeatures
{
    /// <summary>Nothing: absent, or forbidden to this process.</summary>
    None = 0,

    /// <summary>Reads.</summary>
    Read = 1,

    /// <summary>Writes.</summary>
    Write = 2,

    /// <summary>Flushes.</summary>
    Fsync = 4,

    /// <summary>Punching and zeroing.</summary>
    Fallocate = 8,
}
