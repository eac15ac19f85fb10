using System.Globalization;

namespace BlockRepl.Daemon.Control;

/// <summary>One object that events are about, flattened from a <see cref="ResourceStatus"/>.</summary>
/// <param name="Type">Object type, as in <see cref="StatusEvent.ObjectType"/>.</param>
/// <param name="Key">Unique among one resource's objects.</param>
/// <param name="Fields">All its fields.</param>
internal sealed record StatusObject(string Type, string Key, IReadOnlyList<StatusField> Fields)
{
    /// <summary>The resource's objects, outermost first.</summary>
    public static List<StatusObject> Flatten(ResourceStatus status)
    {
        var name = new StatusField("name", status.Name, IsIdentity: true);
        List<StatusObject> objects =
        [
            new("resource", "resource",
            [
                name, new("role", status.Role.ToString()),
                new("suspended", status.Suspended.Count == 0 ? "no" : string.Join(',', status.Suspended)),
                new("may_promote", status.MayPromote ? "yes" : "no"),
                new("promotion_score", status.PromotionScore.ToString(CultureInfo.InvariantCulture)),
            ]),
        ];
        foreach (var connection in status.Connections)
        {
            objects.Add(new("connection", $"connection {connection.Peer}",
            [
                name, new("conn-name", connection.Peer, IsIdentity: true),
                new("connection", connection.ConnectionState.ToString()), new("role", connection.PeerRole.ToString()),
            ]));
        }
        foreach (var volume in status.Volumes)
        {
            objects.Add(new("device", $"device {volume.Name}",
            [
                name, new("volume", volume.Name, IsIdentity: true), new("disk", volume.DiskState.ToString()),
                new("size", volume.SizeBytes.ToString(CultureInfo.InvariantCulture)),
            ]));
        }
        foreach (var connection in status.Connections)
        {
            foreach (var volume in connection.Volumes)
            {
                objects.Add(new("peer-device", $"peer-device {connection.Peer} {volume.Name}",
                [
                    name, new("conn-name", connection.Peer, IsIdentity: true), new("volume", volume.Name, IsIdentity: true),
                    new("replication", volume.ReplicationState.ToString()), new("peer-disk", volume.PeerDiskState.ToString()),
                    new("out-of-sync", volume.OutOfSyncBytes.ToString(CultureInfo.InvariantCulture)),
                ]));
            }
        }
        return objects;
    }

    /// <summary>The events that lead from one state of a resource to the next; either may be null for "is not there".</summary>
    public static List<StatusEvent> Difference(ResourceStatus? before, ResourceStatus? after)
    {
        var name = (after ?? before)!.Name;
        var old = (before is null ? [] : Flatten(before)).ToDictionary(o => o.Key);
        List<StatusEvent> events = [];
        foreach (var now in after is null ? [] : Flatten(after))
        {
            if (!old.Remove(now.Key, out var was))
            {
                events.Add(new("create", now.Type, name, now.Fields));
                continue;
            }
            StatusField[] changed = [.. now.Fields.Where((f, i) => f.IsIdentity || was.Fields[i] != f)];
            if (changed.Any(f => !f.IsIdentity))
                events.Add(new("change", now.Type, name, changed));
        }
        // Innermost first, so that nothing is reported inside what is already gone.
        events.AddRange(old.Values.Reverse().Select(gone =>
            new StatusEvent("destroy", gone.Type, name, [.. gone.Fields.Where(f => f.IsIdentity)])));
        return events;
    }
}
