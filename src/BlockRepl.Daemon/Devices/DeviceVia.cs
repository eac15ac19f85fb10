namespace BlockRepl.Daemon.Devices;

/// <summary>How a volume becomes a block device of its own host.</summary>
public enum DeviceVia
{
    /// <summary>The kernel's NBD client, <c>/dev/nbdN</c>.</summary>
    Kernel,

    /// <summary><c>nbdfuse</c> and a loop device, where the kernel has no NBD client.</summary>
    Fuse,
}
