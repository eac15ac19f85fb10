namespace BlockRepl.Device;

/// <summary>One call that a <see cref="RecordingDevice"/> saw succeed.</summary>
/// <param name="Operation">Write, Flush, Discard or WriteZeroes.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Data">What was written; empty for the others.</param>
/// <param name="ForcedUnitAccess">Whether the write was stable when it returned.</param>
public sealed record RecordedChange(
    DeviceOperation Operation, long Offset, long Length, ReadOnlyMemory<byte> Data, bool ForcedUnitAccess);
