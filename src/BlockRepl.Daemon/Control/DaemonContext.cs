using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Devices;
using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Control;

/// <summary>What the resources are given to work with. Owned by the host; valid until the target has stopped.</summary>
/// <param name="Configuration">The configuration, checked.</param>
/// <param name="Node">This node's name; one of the configuration's.</param>
/// <param name="RunDirectory">The run directory, locked.</param>
/// <param name="BringUp">False for <c>--no-up</c>: leave every resource down.</param>
/// <param name="Events">Where state changes are published.</param>
/// <param name="Loggers">Loggers.</param>
public sealed record DaemonContext(
    ClusterConfiguration Configuration,
    string Node,
    RunDirectory RunDirectory,
    bool BringUp,
    EventHub Events,
    ILoggerFactory Loggers)
{
    /// <summary>What is put between the daemon and a disk that it opens, by the disk's path: nothing, but in tests of failing disks.</summary>
    public Func<string, IBlockDevice, IBlockDevice> DeviceFilter { get; init; } = static (_, device) => device;

    /// <summary>Tells this boot of the host from others: the kernel's boot id, but in tests of hosts that lost their power.</summary>
    public Func<Guid> ReadBootId { get; init; } = DiskOpener.ReadBootId;

    /// <summary>The block devices of this host's volumes.</summary>
    internal IVolumeDevices Devices { get; init; } = new NoVolumeDevices();
}
