using System.Collections.Immutable;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>What a cluster is to be like, before there is one.</summary>
public sealed class ClusterPlan
{
    private readonly List<(string? Node, Func<ResourceSettings, ResourceSettings> Change)> _changes = [];
    private readonly Dictionary<(string Node, int Volume), long> _sizes = [];

    /// <summary>How many volumes.</summary>
    public int Volumes { get; set; } = 1;

    /// <summary>Bytes of each.</summary>
    public long VolumeBytes { get; set; } = 1 << 20;

    /// <summary>Extents that the activity log holds.</summary>
    public int Extents { get; set; } = 7;

    /// <summary>Changes the settings of one node (a or b) or, with null, of both.</summary>
    public void Set(string? node, Func<ResourceSettings, ResourceSettings> change) => _changes.Add((node, change));

    /// <summary>Gives one node's disk another size.</summary>
    public void SetSize(string node, int volume, long bytes) => _sizes[(node, volume)] = bytes;

    /// <summary>The cluster, with nothing started.</summary>
    public ClusterHarness Build(ulong seed)
    {
        ImmutableArray<string> names = [.. Enumerable.Range(0, Volumes).Select(static v => $"v{v}")];
        var cluster = new ClusterHarness(s => Apply(s with { Volumes = names }), VolumeBytes, Extents, seed + 1);
        foreach (((string node, int volume), long bytes) in _sizes)
        {
            SimulatedNode of = node == "a" ? cluster.Alpha : cluster.Beta;
            of.Disks[volume] = new SimulatedDisk(bytes);
            of.Metadata[volume] = FreshMetadata(of, volume, bytes);
        }

        return cluster;
    }

    /// <summary>Fresh metadata for a disk of this size.</summary>
    public SimulatedMetadata FreshMetadata(SimulatedNode node, int volume, long bytes) =>
        new(node.Settings.Name, node.Settings.Volumes[volume], node.Name, node.Settings.Peers[0], bytes, Extents);

    private ResourceSettings Apply(ResourceSettings settings)
    {
        string name = settings.NodeName == "alpha" ? "a" : "b";
        foreach ((string? node, Func<ResourceSettings, ResourceSettings> change) in _changes)
        {
            if (node is null || node == name)
                settings = change(settings);
        }

        return settings;
    }
}
