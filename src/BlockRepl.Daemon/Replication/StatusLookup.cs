using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Replication;

/// <summary>Finds a volume in its resource's status: by name, because the numbers of volumes that went leave gaps.</summary>
internal static class StatusLookup
{
    /// <summary>The status of a volume; Diskless if it is not there any more.</summary>
    public static VolumeStatus Of(this ResourceStatus status, RuntimeVolume volume) =>
        status.Volumes.FirstOrDefault(candidate => candidate.Name == volume.Configuration.Name)
        ?? new VolumeStatus { Name = volume.Configuration.Name, DiskState = Primitives.DiskState.Diskless };
}
