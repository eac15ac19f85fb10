using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;

namespace BlockRepl.Daemon.Devices;

/// <summary>The block devices of a node's volumes, as the verbs that change a resource see them. Thread-safe.</summary>
internal interface IVolumeDevices
{
    /// <summary>Carries <c>device attach</c> or <c>device detach</c> out, in the resource's command lock.</summary>
    Task<ControlResult> ExecuteAsync(ManagedResource resource, ControlCommand command);

    /// <summary>
    /// Detaches the devices of these volumes, because they will not be served here any more. Null when none is left. A device that is in use is refused, naming the user,
    /// and nothing is detached; with <paramref name="force"/> it is ended all the same: its I/O fails. While the daemon stops devices are left as they are: the next daemon resumes them.
    /// </summary>
    Task<ControlResult?> ReleaseAsync(IReadOnlyList<string> volumes, bool force);
}
