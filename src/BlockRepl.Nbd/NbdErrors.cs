using BlockRepl.Primitives;

namespace BlockRepl.Nbd;

/// <summary>The one place where an operating system's error number becomes an NBD error.</summary>
public static class NbdErrors
{
    /// <summary>
    /// Translates what a disk said about a command. Numbers that NBD reserves for one situation (EOVERFLOW, ENOTSUP:
    /// proto.md "Error values") are replaced where the command is another. Unknown numbers become EIO, never success.
    /// </summary>
    public static NbdError FromDisk(DiskResult result, NbdCommand command, NbdCommandFlags flags)
    {
        NbdError error = FromErrno(result.Errno);
        return error switch
        {
            NbdError.ENOTSUP when command != NbdCommand.WriteZeroes || (flags & NbdCommandFlags.FastZero) == 0 => NbdError.EIO,
            NbdError.EOVERFLOW when command != NbdCommand.Read || (flags & NbdCommandFlags.DontFragment) == 0 => NbdError.EINVAL,
            _ => error,
        };
    }

    /// <summary>Translates a positive Linux errno; 0 is success.</summary>
    public static NbdError FromErrno(int errno) => errno switch
    {
        0 => NbdError.Ok,
        1 => NbdError.EPERM,
        12 => NbdError.ENOMEM,
        13 => NbdError.EPERM, // EACCES
        22 => NbdError.EINVAL,
        27 => NbdError.ENOSPC, // EFBIG: the file system cannot hold an offset that the export has
        28 => NbdError.ENOSPC,
        30 => NbdError.EPERM, // EROFS
        75 => NbdError.EOVERFLOW,
        95 => NbdError.ENOTSUP, // EOPNOTSUPP
        108 => NbdError.ESHUTDOWN,
        122 => NbdError.ENOSPC, // EDQUOT
        _ => NbdError.EIO,
    };
}
