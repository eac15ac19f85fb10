namespace BlockRepl.Device;

/// <summary>Why a disk could not be opened.</summary>
public enum DeviceOpenError : byte
{
    /// <summary>It is open.</summary>
    None,

    /// <summary>No such file or device.</summary>
    NotFound,

    /// <summary>Somebody else has it: another daemon, a mount, a device mapper (hard part 15).</summary>
    Busy,

    /// <summary>This user may not.</summary>
    PermissionDenied,

    /// <summary>The disk, or the file system that it is on, is read-only.</summary>
    ReadOnly,

    /// <summary>Smaller than the caller said it must be.</summary>
    TooSmall,

    /// <summary>A directory, a pipe, a character device.</summary>
    NotABlockDeviceOrFile,

    /// <summary>A file of this name is there already.</summary>
    AlreadyExists,

    /// <summary>No room for it.</summary>
    NoSpace,

    /// <summary><c>io: direct</c> was asked for and cannot be had here; the message says why.</summary>
    NoDirectIo,

    /// <summary>Anything else; the message has the error number.</summary>
    Failed,
}
