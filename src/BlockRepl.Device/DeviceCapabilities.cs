namespace BlockRepl.Device;

/// <summary>What a device can do.</summary>
/// <param name="MinimumIoBytes">Smallest unit of a read or write: 1 for buffered files, else the sector size.</param>
/// <param name="CanDiscard">Whether <see cref="IBlockDevice.Discard"/> works and leaves zeroes.</param>
/// <param name="CanZeroFast">Whether zeroing a range needs no writing of zeroes.</param>
/// <param name="IsRotational">Whether seeks are expensive.</param>
public readonly record struct DeviceCapabilities(int MinimumIoBytes, bool CanDiscard, bool CanZeroFast, bool IsRotational);
