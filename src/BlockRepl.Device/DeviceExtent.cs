namespace BlockRepl.Device;

/// <summary>A run of bytes of one kind.</summary>
/// <param name="Length">Bytes, at least 1.</param>
/// <param name="IsHole">Nothing is allocated there; it reads as zeroes.</param>
public readonly record struct DeviceExtent(long Length, bool IsHole);
