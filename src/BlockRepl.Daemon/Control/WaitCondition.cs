using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Control;

/// <summary>Says whether a resource has reached a goal, and if not, what is missing.</summary>
public static class WaitCondition
{
    /// <summary>
    /// Null when <paramref name="status"/> has reached <paramref name="goal"/>, else the first thing that is missing, in words.
    /// <paramref name="volume"/> narrows <see cref="WaitGoal.Sync"/> to one volume.
    /// </summary>
    public static string? Missing(WaitGoal goal, ResourceStatus status, string? volume) => goal switch
    {
        WaitGoal.Primary => status.Role == Role.Primary ? null : $"{status.Name} is {status.Role}",
        WaitGoal.Connect => MissingConnection(status),
        _ => MissingConnection(status) ?? MissingSync(status, volume),
    };

    private static string? MissingConnection(ResourceStatus status)
    {
        foreach (var connection in status.Connections)
        {
            if (connection.ConnectionState != ConnectionState.Connected)
                return $"the connection of {status.Name} to {connection.Peer} is {connection.ConnectionState}";
        }
        return null;
    }

    /// <summary>In sync is Connected, Established, UpToDate on both sides and nothing marked.</summary>
    private static string? MissingSync(ResourceStatus status, string? volume)
    {
        foreach (var own in status.Volumes.Where(v => volume is null || v.Name == volume))
        {
            if (own.DiskState != DiskState.UpToDate)
                return $"the disk of {status.Name}/{own.Name} is {own.DiskState}";
        }
        foreach (var connection in status.Connections)
        {
            foreach (var peer in connection.Volumes.Where(v => volume is null || v.Name == volume))
            {
                var name = $"{status.Name}/{peer.Name}@{connection.Peer}";
                if (peer.ReplicationState != ReplicationState.Established)
                    return $"{name} is {peer.ReplicationState}";
                if (peer.PeerDiskState != DiskState.UpToDate)
                    return $"the disk of {name} is {peer.PeerDiskState}";
                if (peer.OutOfSyncBytes != 0)
                    return string.Create(null, $"{name} has {peer.OutOfSyncBytes} bytes out of sync");
            }
        }
        return null;
    }
}
