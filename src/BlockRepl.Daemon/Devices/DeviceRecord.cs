namespace BlockRepl.Daemon.Devices;

/// <summary>What one daemon tells the next about an attached device.</summary>
/// <param name="Volume">RESOURCE/VOLUME.</param>
/// <param name="Via">How it is attached.</param>
/// <param name="Device">Its path, <c>/dev/nbd0</c> or <c>/dev/loop3</c>.</param>
/// <param name="Hold">How long I/O is held while nobody serves it.</param>
/// <param name="Mountpoint">Where the FUSE file system is mounted; empty for the kernel's own device.</param>
internal sealed record DeviceRecord(string Volume, DeviceVia Via, string Device, TimeSpan Hold, string Mountpoint);
