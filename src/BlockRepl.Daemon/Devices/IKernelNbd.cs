namespace BlockRepl.Daemon.Devices;

/// <summary>
/// The kernel's NBD devices. Calls block, shortly as a rule; answers are errno, 0 for success. Thread-safe. <see cref="KernelNbd"/> is the kernel; tests have one of their own.
/// </summary>
internal interface IKernelNbd
{
    /// <summary>Null when devices can be attached, else why not, in words. Loads the module where it is missing.</summary>
    string? FindObstacle();

    /// <summary>Attaches a device; <paramref name="index"/> is the one that was asked for or chosen.</summary>
    int Connect(KernelConnect request, out int index);

    /// <summary>Gives a device a new socket. Success does not mean that the kernel uses it: while the old link is not known to be dead it is dropped silently.</summary>
    int Reconnect(int index, string backend, int socketFd);

    /// <summary>Tells a device another size. The link must be alive.</summary>
    int Resize(int index, string backend, long sizeBytes);

    /// <summary>Detaches a device; what waits on it fails.</summary>
    int Disconnect(int index);

    /// <summary>The identifier that a device is attached with; null while it is not attached through netlink.</summary>
    string? BackendOf(int index);

    /// <summary>Every device that is attached through netlink, with its identifier.</summary>
    IReadOnlyList<(int Index, string Backend)> ListBackends();

    /// <summary>The size that a device has in the kernel.</summary>
    long SizeOf(int index);

    /// <summary>How often a request in flight is looked at and, after a reconnect, sent again.</summary>
    void SetIoTimeout(int index, int milliseconds);
}
