namespace BlockRepl.Nbd.Tests;

/// <summary>The table behind <see cref="NbdRequestValidator"/>: one row for each rule, on an export of 1 MiB.</summary>
public sealed class ValidationTests
{
    private const ulong Size = 1 << 20;
    private const NbdCommandFlags Fua = NbdCommandFlags.ForceUnitAccess;

    [Theory]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, 1, 1, NbdError.Ok)]
    [InlineData(NbdCommand.Read, Fua, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.DontFragment, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.NoHole, 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.RequestOne, 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, Size - 1, 1, NbdError.Ok)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, Size - 1, 2, NbdError.EINVAL)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, Size, 0, NbdError.Ok)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, Size + 1, 0, NbdError.EINVAL)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, ulong.MaxValue, 1, NbdError.EINVAL)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.None, 1UL << 63, 0xffffffff, NbdError.EINVAL)]
    [InlineData(NbdCommand.Write, NbdCommandFlags.None, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.Write, Fua, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.Write, NbdCommandFlags.DontFragment, 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.Write, NbdCommandFlags.FastZero, 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.Write, NbdCommandFlags.None, Size - 1, 2, NbdError.ENOSPC)]
    [InlineData(NbdCommand.Write, NbdCommandFlags.None, ulong.MaxValue, 2, NbdError.ENOSPC)]
    [InlineData(NbdCommand.Flush, NbdCommandFlags.None, 0, 0, NbdError.Ok)]
    [InlineData(NbdCommand.Flush, Fua, 0, 0, NbdError.Ok)]
    [InlineData(NbdCommand.Flush, NbdCommandFlags.None, 1, 0, NbdError.EINVAL)]
    [InlineData(NbdCommand.Flush, NbdCommandFlags.None, 0, 1, NbdError.EINVAL)]
    [InlineData(NbdCommand.Trim, NbdCommandFlags.None, 0, (uint)Size, NbdError.Ok)]
    [InlineData(NbdCommand.Trim, Fua, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.Trim, NbdCommandFlags.NoHole, 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.Trim, NbdCommandFlags.None, 1, (uint)Size, NbdError.EINVAL)]
    [InlineData(NbdCommand.Cache, NbdCommandFlags.None, 0, (uint)Size, NbdError.Ok)]
    [InlineData(NbdCommand.Cache, NbdCommandFlags.None, 1, (uint)Size, NbdError.EINVAL)]
    [InlineData(NbdCommand.WriteZeroes, NbdCommandFlags.None, 0, (uint)Size, NbdError.Ok)]
    [InlineData(NbdCommand.WriteZeroes, Fua | NbdCommandFlags.NoHole | NbdCommandFlags.FastZero, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.WriteZeroes, NbdCommandFlags.DontFragment, 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.WriteZeroes, NbdCommandFlags.None, 1, (uint)Size, NbdError.ENOSPC)]
    [InlineData(NbdCommand.BlockStatus, NbdCommandFlags.None, 0, (uint)Size, NbdError.Ok)]
    [InlineData(NbdCommand.BlockStatus, NbdCommandFlags.RequestOne, 0, 4096, NbdError.Ok)]
    [InlineData(NbdCommand.BlockStatus, NbdCommandFlags.DontFragment, 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.BlockStatus, NbdCommandFlags.None, 0, 0, NbdError.EINVAL)]
    [InlineData(NbdCommand.BlockStatus, NbdCommandFlags.None, 1, (uint)Size, NbdError.EINVAL)]
    [InlineData((NbdCommand)8, NbdCommandFlags.None, 0, 0, NbdError.EINVAL)]
    [InlineData((NbdCommand)0xffff, NbdCommandFlags.None, 0, 0, NbdError.EINVAL)]
    [InlineData(NbdCommand.Read, (NbdCommandFlags)(1 << 5), 0, 4096, NbdError.EINVAL)]
    [InlineData(NbdCommand.Write, (NbdCommandFlags)(1 << 15), 0, 4096, NbdError.EINVAL)]
    public void On_a_volume(NbdCommand command, NbdCommandFlags flags, ulong offset, uint length, NbdError expected) =>
        Assert.Equal(expected, Validate(command, flags, offset, length));

    [Theory]
    [InlineData(NbdCommand.Write, NbdCommandFlags.None, 0, 4096)]
    [InlineData(NbdCommand.Trim, NbdCommandFlags.None, 0, 4096)]
    [InlineData(NbdCommand.WriteZeroes, NbdCommandFlags.None, 0, 4096)]
    [InlineData(NbdCommand.Write, NbdCommandFlags.None, Size, 4096)] // read-only comes before the range
    public void A_read_only_export_refuses_changes(NbdCommand command, NbdCommandFlags flags, ulong offset, uint length) =>
        Assert.Equal(NbdError.EPERM, Validate(command, flags, offset, length, NbdTransmissionFlags.Volume | NbdTransmissionFlags.ReadOnly));

    [Theory]
    [InlineData(NbdCommand.Flush, NbdCommandFlags.None, NbdTransmissionFlags.SendFlush)]
    [InlineData(NbdCommand.Trim, NbdCommandFlags.None, NbdTransmissionFlags.SendTrim)]
    [InlineData(NbdCommand.Cache, NbdCommandFlags.None, NbdTransmissionFlags.SendCache)]
    [InlineData(NbdCommand.WriteZeroes, NbdCommandFlags.None, NbdTransmissionFlags.SendWriteZeroes)]
    [InlineData(NbdCommand.WriteZeroes, NbdCommandFlags.FastZero, NbdTransmissionFlags.SendFastZero)]
    [InlineData(NbdCommand.Read, NbdCommandFlags.DontFragment, NbdTransmissionFlags.SendDontFragment)]
    [InlineData(NbdCommand.Write, Fua, NbdTransmissionFlags.SendForceUnitAccess)]
    public void What_was_not_announced_is_invalid(NbdCommand command, NbdCommandFlags flags, NbdTransmissionFlags missing) =>
        Assert.Equal(NbdError.EINVAL, Validate(command, flags, 0, 0, NbdTransmissionFlags.Volume & ~missing));

    [Fact]
    public void Block_status_needs_its_context() =>
        Assert.Equal(NbdError.EINVAL, Validate(NbdCommand.BlockStatus, 0, 0, 4096, baseAllocation: false));

    [Theory]
    [InlineData(0, 512, NbdError.Ok)]
    [InlineData(512, 1024, NbdError.Ok)]
    [InlineData(1, 512, NbdError.EINVAL)]
    [InlineData(0, 513, NbdError.EINVAL)]
    public void A_sector_sized_export_refuses_what_is_not_aligned(ulong offset, uint length, NbdError expected)
    {
        foreach (NbdCommand command in new[] { NbdCommand.Read, NbdCommand.Write, NbdCommand.Trim, NbdCommand.WriteZeroes })
            Assert.Equal(expected, Validate(command, 0, offset, length, minimum: 512));
    }

    [Theory]
    [InlineData(NbdCommand.Read, 32u << 20, NbdError.Ok)]
    [InlineData(NbdCommand.Read, (32u << 20) + 1, NbdError.EINVAL)]
    [InlineData(NbdCommand.Write, 32u << 20, NbdError.Ok)]
    [InlineData(NbdCommand.Write, (32u << 20) + 1, NbdError.EINVAL)]
    [InlineData(NbdCommand.Trim, uint.MaxValue, NbdError.Ok)]
    [InlineData(NbdCommand.WriteZeroes, uint.MaxValue, NbdError.Ok)]
    [InlineData(NbdCommand.Cache, uint.MaxValue, NbdError.Ok)]
    [InlineData(NbdCommand.BlockStatus, uint.MaxValue, NbdError.Ok)]
    public void Only_payloads_have_a_maximum(NbdCommand command, uint length, NbdError expected) =>
        Assert.Equal(expected, Validate(command, 0, 0, length, size: 1L << 40));

    private static NbdError Validate(
        NbdCommand command, NbdCommandFlags flags, ulong offset, uint length, NbdTransmissionFlags can = NbdTransmissionFlags.Volume,
        bool baseAllocation = true, uint minimum = 1, long size = (long)Size)
    {
        var handshake = new Handshake(Handshake.Volume with { SizeBytes = size, MinimumBlockBytes = minimum, Flags = can });
        var session = new NbdSession(handshake.Exports["mail/db"], can, StructuredReplies: true, baseAllocation);
        return NbdRequestValidator.Validate(new NbdRequestHeader(flags, command, 1, offset, length), session);
    }
}
