namespace BlockRepl.Daemon.Control;

/// <summary>A range that a comparison found different.</summary>
/// <param name="OffsetBytes">Where it begins in the volume.</param>
/// <param name="LengthBytes">Its length.</param>
public sealed record VerifyRangeStatus(long OffsetBytes, long LengthBytes);
