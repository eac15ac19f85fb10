using System.Globalization;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Adjust;

/// <summary>Plans what happens to the volumes of a resource that is up.</summary>
internal sealed class VolumePlanner(string nodeName)
{
    /// <summary>Whether the two have the same volumes, in the same order and places.</summary>
    public static bool AreEqual(ResourceConfiguration before, ResourceConfiguration after, string nodeName)
    {
        if (before.Volumes.Count != after.Volumes.Count)
            return false;
        for (int i = 0; i < after.Volumes.Count; i++)
        {
            if (before.Volumes[i].Name != after.Volumes[i].Name || !IsSamePlace(before.Volumes[i], after.Volumes[i], nodeName)
                || SizeOf(before.Volumes[i], nodeName) != SizeOf(after.Volumes[i], nodeName) || before.Volumes[i].ResyncAfter != after.Volumes[i].ResyncAfter
                || IoOf(before.Volumes[i], nodeName) != IoOf(after.Volumes[i], nodeName))
            {
                return false;
            }
        }

        return true;
    }

    public void Plan(AdjustPlan plan, ManagedResource resource, ResourceConfiguration after, bool force)
    {
        foreach (RuntimeVolume volume in resource.Runtime.Volumes)
        {
            if (after.Volumes.FirstOrDefault(candidate => candidate.Name == volume.Configuration.Name) is { } wanted)
                Change(plan, resource, volume, wanted);
            else
                Remove(plan, resource, volume, force);
        }

        foreach (VolumeConfiguration added in after.Volumes)
        {
            if (resource.Runtime.Volumes.All(volume => volume.Configuration.Name != added.Name))
                Add(plan, resource, added);
        }
    }

    private static void Remove(AdjustPlan plan, ManagedResource resource, RuntimeVolume volume, bool force)
    {
        if (volume.Clients.Count > 0 && !force)
            plan.Refuse($"{volume.Name}: is not in the file any more, but in use by {volume.Clients.Count} NBD client(s)", "unmount and disconnect them first, or end them: --force");
        plan.Add($"{volume.Name}: removed; the peer reconnects", () => resource.RemoveVolumeAsync(volume, force));
    }

    private void Add(AdjustPlan plan, ManagedResource resource, VolumeConfiguration added)
    {
        bool isPrimary = resource.Runtime.GetStatus().Role == Role.Primary;
        DiskLook.Found found = DiskLook.At(resource.Runtime.Settings, added, nodeName);
        string name = $"{resource.Runtime.Settings.Name}/{added.Name}";
        if (found.Refusal is { } refusal)
            plan.Refusals.Add(refusal);
        else if (isPrimary && !found.IsFresh)
            plan.Refuse($"{name}: is new in the file, and its disk has held data: a Primary takes only a fresh one", $"demote first: blockrepl secondary {resource.Runtime.Settings.Name}; or make its metadata anew: blockrepl create-md --force {name}");
        string then = found.IsFresh ? $"; fresh: when both nodes have it, blockrepl new-current-uuid --clear-bitmap {resource.Runtime.Settings.Name} makes it UpToDate, until then only --force promotes" : "";
        plan.Add($"{name}: added; the peer reconnects{then}", () => resource.AddVolumeAsync(added));
    }

    private static bool IsSamePlace(VolumeConfiguration before, VolumeConfiguration after, string nodeName) =>
        before.Disk.For(nodeName) == after.Disk.For(nodeName) && before.MetaDisk.For(nodeName) == after.MetaDisk.For(nodeName);

    private static DeviceIo IoOf(VolumeConfiguration volume, string nodeName) => volume.Io.For(nodeName);

    private static long? SizeOf(VolumeConfiguration volume, string nodeName) => volume.Size?.For(nodeName);

    private void Change(AdjustPlan plan, ManagedResource resource, RuntimeVolume volume, VolumeConfiguration wanted)
    {
        VolumeConfiguration before = volume.Configuration;
        List<string> lines = [];
        if (!IsSamePlace(before, wanted, nodeName))
        {
            string what = $"{volume.Name}: disk {Place(before)} -> {Place(wanted)}";
            if (volume.Disk is not null)
            {
                plan.Refuse($"{what}: it is in use", $"take {resource.Runtime.Settings.Name} down first: blockrepl down {resource.Runtime.Settings.Name}; then adjust, and bring it up again");
                return;
            }

            lines.Add($"{what}, for the next up or attach");
        }

        if (IoOf(before, nodeName) != IoOf(wanted, nodeName))
        {
            string then = volume.Disk is null ? "" : $": blockrepl detach {volume.Name}; blockrepl attach {volume.Name}";
            lines.Add($"{volume.Name}: io {IoWords.Of(IoOf(before, nodeName))} -> {IoWords.Of(IoOf(wanted, nodeName))}, from the next attachment on{then}");
        }

        if (SizeOf(before, nodeName) != SizeOf(wanted, nodeName))
            lines.Add($"{volume.Name}: size {Bytes(SizeOf(before, nodeName))} -> {Bytes(SizeOf(wanted, nodeName))}, for resize to take up");
        if (before.ResyncAfter != wanted.ResyncAfter)
            lines.Add($"{volume.Name}: resync-after {before.ResyncAfter ?? "none"} -> {wanted.ResyncAfter ?? "none"}");
        if (lines.Count > 0)
            plan.Steps.Add(new AdjustStep(lines, () => resource.AloneAsync(() => Task.FromResult(Take(resource, volume, wanted)))));
    }

    private static ControlResult Take(ManagedResource resource, RuntimeVolume volume, VolumeConfiguration wanted)
    {
        // The number is the runtime's, not the file's: it stays while the resource is up.
        volume.Configuration = wanted with { Nr = volume.Configuration.Nr };
        resource.Runtime.RememberVolumes();
        resource.Runtime.PublishStatus();
        return ControlResult.Done;
    }

    private string Place(VolumeConfiguration volume) =>
        volume.MetaDisk.For(nodeName) is { } meta ? $"{volume.Disk.For(nodeName)} (metadata {meta})" : volume.Disk.For(nodeName);

    private static string Bytes(long? size) => size is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes") : "none";
}
