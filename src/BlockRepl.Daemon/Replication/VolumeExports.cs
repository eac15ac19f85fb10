using System.Diagnostics.CodeAnalysis;
using BlockRepl.Daemon.Control;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>The NBD exports of a node: RESOURCE/VOLUME, open on the Primary only. Thread-safe.</summary>
internal sealed class VolumeExports(IReadOnlyList<ManagedResource> resources) : INbdExportSource
{
    /// <inheritdoc/>
    public bool TryOpen(string name, INbdClient client, [NotNullWhen(true)] out INbdExport? export, out string refusal)
    {
        export = null;
        RuntimeVolume? volume = Find(name, out ManagedResource? resource);
        if (volume is null || resource is null)
        {
            refusal = name.Length == 0
                ? "name the export: RESOURCE/VOLUME"
                : $"there is no volume {name} on this node";
            return false;
        }

        ResourceStatus status = resource.Runtime.GetStatus();
        VolumeStatus state = status.Of(volume);
        if (status.Role != Role.Primary)
        {
            refusal = $"{name} is Secondary on node {status.Node}; promote it first: blockrepl primary {status.Name}";
            return false;
        }

        if (state.DiskState != DiskState.UpToDate && state.ServedBy is null)
        {
            refusal = $"{name} has no usable disk on node {status.Node} ({state.DiskState}), and no peer serves it";
            return false;
        }

        if (!volume.Clients.TryAdd(client, state.SizeBytes))
        {
            refusal = $"{name} is being demoted on node {status.Node}";
            return false;
        }

        export = volume;
        refusal = "";
        return true;
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ListExports() =>
        [.. resources.Where(resource => resource.Runtime.GetStatus().Role == Role.Primary).SelectMany(resource => resource.Runtime.Volumes).Select(volume => volume.Name)];

    /// <inheritdoc/>
    public void Closed(INbdExport export, INbdClient client) => ((RuntimeVolume)export).Clients.Remove(client);

    // An empty name opens the only export there is.
    private RuntimeVolume? Find(string name, out ManagedResource? resource)
    {
        resource = null;
        RuntimeVolume? only = null;
        int count = 0;
        foreach (ManagedResource candidate in resources)
        {
            foreach (RuntimeVolume volume in candidate.Runtime.Volumes)
            {
                count++;
                if (name.Length > 0 && volume.Name != name)
                    continue;
                only = volume;
                resource = candidate;
            }
        }

        return name.Length > 0 || count == 1 ? only : null;
    }
}
