using BlockRepl.Primitives;

namespace BlockRepl.Nbd.Tests;

public sealed class ErrorTests
{
    [Theory]
    [InlineData(0, NbdError.Ok)]
    [InlineData(1, NbdError.EPERM)]
    [InlineData(5, NbdError.EIO)]
    [InlineData(6, NbdError.EIO)] // ENXIO
    [InlineData(9, NbdError.EIO)] // EBADF
    [InlineData(12, NbdError.ENOMEM)]
    [InlineData(13, NbdError.EPERM)] // EACCES
    [InlineData(16, NbdError.EIO)] // EBUSY
    [InlineData(22, NbdError.EINVAL)]
    [InlineData(27, NbdError.ENOSPC)] // EFBIG
    [InlineData(28, NbdError.ENOSPC)]
    [InlineData(30, NbdError.EPERM)] // EROFS
    [InlineData(75, NbdError.EOVERFLOW)]
    [InlineData(95, NbdError.ENOTSUP)]
    [InlineData(108, NbdError.ESHUTDOWN)]
    [InlineData(122, NbdError.ENOSPC)] // EDQUOT
    [InlineData(121, NbdError.EIO)] // EREMOTEIO
    [InlineData(4095, NbdError.EIO)]
    [InlineData(-5, NbdError.EIO)] // a caller's slip is no success
    public void Errno_becomes_an_error_that_NBD_knows(int errno, NbdError expected) =>
        Assert.Equal(expected, NbdErrors.FromErrno(errno));

    [Fact]
    public void Nothing_but_zero_is_success()
    {
        for (int errno = -200; errno < 4096; errno++)
            Assert.Equal(errno == 0, NbdErrors.FromErrno(errno) == NbdError.Ok);
    }

    [Theory]
    [InlineData(95, NbdCommand.WriteZeroes, NbdCommandFlags.FastZero, NbdError.ENOTSUP)]
    [InlineData(95, NbdCommand.WriteZeroes, NbdCommandFlags.None, NbdError.EIO)]
    [InlineData(95, NbdCommand.Trim, NbdCommandFlags.None, NbdError.EIO)]
    [InlineData(75, NbdCommand.Read, NbdCommandFlags.DontFragment, NbdError.EOVERFLOW)]
    [InlineData(75, NbdCommand.Read, NbdCommandFlags.None, NbdError.EINVAL)]
    [InlineData(75, NbdCommand.Write, NbdCommandFlags.None, NbdError.EINVAL)]
    [InlineData(28, NbdCommand.Write, NbdCommandFlags.None, NbdError.ENOSPC)]
    [InlineData(0, NbdCommand.Trim, NbdCommandFlags.None, NbdError.Ok)]
    public void Numbers_reserved_for_one_situation_are_kept_to_it(int errno, NbdCommand command, NbdCommandFlags flags, NbdError expected) =>
        Assert.Equal(expected, NbdErrors.FromDisk(new DiskResult(errno), command, flags));
}
