namespace BlockRepl.Device;

/// <summary>An open disk, or why there is none.</summary>
/// <param name="Device">The disk, which the caller now owns; <c>null</c> on an error.</param>
/// <param name="Error">Why there is none.</param>
/// <param name="Message">A sentence for the operator that names the path; empty on success.</param>
public readonly record struct DeviceOpenResult(IBlockDevice? Device, DeviceOpenError Error, string Message);
