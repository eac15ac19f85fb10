namespace BlockRepl.Daemon.Devices;

/// <summary>What a device is attached with. All of it stays in force when the link is replaced.</summary>
internal sealed record KernelConnect
{
    /// <summary>N of <c>/dev/nbdN</c>; null: the kernel takes a free one.</summary>
    public int? Index { get; init; }

    /// <summary>The volume's size.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Logical block size, 512 to 4096.</summary>
    public required uint BlockBytes { get; init; }

    /// <summary>NBD transmission flags.</summary>
    public required ushort Flags { get; init; }

    /// <summary>How long a request waits for a new link before it fails.</summary>
    public required TimeSpan Hold { get; init; }

    /// <summary>Names the volume, the node and the run directory: who may give the device a new link.</summary>
    public required string Backend { get; init; }

    /// <summary>The kernel's end of the socket pair, open in this process.</summary>
    public required int SocketFd { get; init; }
}
