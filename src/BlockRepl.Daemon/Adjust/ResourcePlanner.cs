using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Adjust;

/// <summary>Plans how one resource gets from what it is to what the file says.</summary>
internal sealed class ResourcePlanner(NodeRuntime node, ClusterConfiguration next)
{
    private string Node => node.Context.Node;

    /// <summary>A resource that is in both files.</summary>
    public void Change(AdjustPlan plan, ManagedResource resource, ResourceConfiguration after, bool force)
    {
        ResourceConfiguration before = resource.Runtime.Configuration;
        List<string> settings = SettingLines.Between(before, after);
        bool samePeers = resource.Runtime.Settings.Peers.AsSpan().SequenceEqual(CoreSettings.For(next, Node, after).Peers.AsSpan());
        if (resource.IsDown)
        {
            if (settings.Count == 0 && samePeers && VolumePlanner.AreEqual(before, after, Node))
                return;
            plan.Steps.Add(new AdjustStep(
                [.. settings, $"{after.Name}: is down: taken over as the file says, for the next up"], () => ReplaceAsync(resource, after)));
            return;
        }

        if (!samePeers)
        {
            plan.Refuse(
                $"{after.Name}: the nodes that it is replicated to change, which cannot be done while it is up",
                $"take it down first: blockrepl down {after.Name}; then adjust, and bring it up again");
        }

        RefuseWhatCannotChange(plan, resource, before, after);
        if (settings.Count > 0)
            plan.Steps.Add(new AdjustStep(settings, () => ApplySettingsAsync(resource, after)));
        new VolumePlanner(Node).Plan(plan, resource, after, force);
    }

    /// <summary>A resource that only the new file has.</summary>
    public void Add(AdjustPlan plan, ResourceConfiguration added)
    {
        plan.Add($"{added.Name}: added", () =>
        {
            ManagedResource resource = ResourceFactory.Build(node.Context with { Configuration = next }, node.Tls, added);
            node.Resources.Add(resource);
            Remember(added);
            resource.Runtime.PublishStatus();
            return Task.FromResult(ControlResult.Done);
        });
        plan.Add($"{added.Name}: brought up", () => node.Resources.Find(added.Name)!.UpAsync());
    }

    /// <summary>A resource that the new file does not have.</summary>
    public void Remove(AdjustPlan plan, ManagedResource resource, bool force)
    {
        string name = resource.Runtime.Settings.Name;
        if (!force && resource.Runtime.Volumes.FirstOrDefault(volume => volume.Clients.Count > 0) is { } used)
        {
            plan.Refuse(
                $"{name}: is not in the file any more, but {used.Name} is in use by {used.Clients.Count} NBD client(s)",
                "unmount and disconnect them first, or end them: --force");
        }

        plan.Add($"{name}: taken down and removed", () => RemoveAsync(resource, force));
    }

    private static void RefuseWhatCannotChange(AdjustPlan plan, ManagedResource resource, ResourceConfiguration before, ResourceConfiguration after)
    {
        ResourceRuntime runtime = resource.Runtime;
        if (after.ActivityLogExtents > before.ActivityLogExtents)
        {
            foreach (RuntimeVolume volume in runtime.Volumes)
            {
                if (volume.Disk is not { } disk || disk.Metadata.Layout.ActivityLogExtents >= after.ActivityLogExtents)
                    continue;
                plan.Refuse(
                    $"{volume.Name}: al-extents {after.ActivityLogExtents}: its activity log was made with {disk.Metadata.Layout.ActivityLogExtents} places",
                    $"keep at most {disk.Metadata.Layout.ActivityLogExtents}, or make the metadata anew: a full resync follows");
            }
        }

        if (after.Protocol == before.Protocol)
            return;
        for (int i = 0; i < runtime.Settings.Peers.Length; i++)
        {
            if (runtime.PeerVersion(new PeerId(i)) is not { } version || version >= ProtocolVersion.V2)
                continue;
            plan.Refuse(
                $"{after.Name}: protocol {before.Protocol} -> {after.Protocol}: {runtime.Settings.Peers[i]} speaks version {(uint)version} of the peer protocol and cannot change it while connected",
                $"disconnect first, on both nodes: blockrepl disconnect {after.Name}; adjust both, and connect again");
        }
    }

    private Task<ControlResult> ApplySettingsAsync(ManagedResource resource, ResourceConfiguration after) => resource.AloneAsync(() =>
    {
        ResourceRuntime runtime = resource.Runtime;
        ResourceConfiguration kept = after with { Volumes = runtime.Configuration.Volumes };
        runtime.Reconfigure(kept, CoreSettings.For(next, Node, kept));
        Remember(kept);
        return Task.FromResult(ControlResult.Done);
    });

    private Task<ControlResult> ReplaceAsync(ManagedResource resource, ResourceConfiguration after) => resource.AloneAsync(() =>
    {
        if (!resource.IsDown)
            return Task.FromResult(ControlResult.Refused($"{after.Name} was brought up meanwhile", "adjust again"));
        resource.IsRetired = true;
        ManagedResource replacement = ResourceFactory.Build(node.Context with { Configuration = next }, node.Tls, after);
        node.Resources.Replace(resource, replacement);
        resource.Runtime.Dispose();
        Remember(after);
        replacement.Runtime.PublishStatus();
        return Task.FromResult(ControlResult.Done);
    });

    private async Task<ControlResult> RemoveAsync(ManagedResource resource, bool force)
    {
        ControlResult down = await resource.RetireAsync(force);
        if (down.ExitCode != ExitCodes.Done)
            return down;
        string name = resource.Runtime.Settings.Name;
        node.Resources.Remove(resource);
        resource.Dispose();
        node.Context.Events.Remove(name);
        ClusterConfiguration now = node.Context.Configuration;
        node.Context = node.Context with { Configuration = now with { Resources = [.. now.Resources.Where(other => other.Name != name)] } };
        return ControlResult.Done;
    }

    // What is in force is what the daemon compares the next file with.
    private void Remember(ResourceConfiguration resource)
    {
        ClusterConfiguration now = node.Context.Configuration;
        bool isNew = now.FindResource(resource.Name) is null;
        ResourceConfiguration[] resources = isNew
            ? [.. now.Resources, resource]
            : [.. now.Resources.Select(other => other.Name == resource.Name ? resource : other)];
        node.Context = node.Context with { Configuration = now with { Resources = resources } };
    }
}
