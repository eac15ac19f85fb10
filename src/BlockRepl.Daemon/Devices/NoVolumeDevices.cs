using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;

namespace BlockRepl.Daemon.Devices;

/// <summary>A node that has no block devices.</summary>
internal sealed class NoVolumeDevices : IVolumeDevices
{
    /// <inheritdoc/>
    public Task<ControlResult> ExecuteAsync(ManagedResource resource, ControlCommand command) => Task.FromResult(ControlResult.NotImplemented(command.Verb));

    /// <inheritdoc/>
    public Task<ControlResult?> ReleaseAsync(IReadOnlyList<string> volumes, bool force) => Task.FromResult<ControlResult?>(null);
}
