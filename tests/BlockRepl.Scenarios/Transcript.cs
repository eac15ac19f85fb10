using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>What a script did and what followed from it: each statement, and below it every change of a node's state and every answer, in order.</summary>
public sealed class Transcript
{
    private readonly List<string> _lines = [];
    private readonly Dictionary<string, string> _last = new(StringComparer.Ordinal);

    /// <summary>The lines so far.</summary>
    public IReadOnlyList<string> Lines => _lines;

    /// <summary>A node said "split brain" at some moment.</summary>
    public bool HasSeenSplitBrain { get; private set; }

    /// <summary>A statement begins.</summary>
    public void Statement(string text) => _lines.Add($"> {text}");

    /// <summary>Something else worth a line.</summary>
    public void Note(string text) => _lines.Add($"    {text}");

    /// <summary>Notes what has changed of a node since it was last looked at.</summary>
    public void Observe(string name, SimulatedNode node)
    {
        string now = Describe(node);
        HasSeenSplitBrain |= IsSplitBrain(node);
        if (_last.GetValueOrDefault(name) == now)
            return;
        _last[name] = now;
        Note($"{name}: {now}");
    }

    /// <summary>The node refuses the connection because of a split brain.</summary>
    public static bool IsSplitBrain(SimulatedNode node) => node.IsAlive && node.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.StandAlone
        && node.Status.Detail(ClusterHarness.PeerOf).Contains("split brain", StringComparison.OrdinalIgnoreCase);

    private static string Describe(SimulatedNode node)
    {
        if (!node.IsAlive)
            return "down";
        ConnectionState connection = node.Status.ConnectionState(ClusterHarness.PeerOf);
        IEnumerable<string> volumes = node.Settings.Volumes.Select((_, v) => DescribeVolume(node, new VolumeNr((ushort)v), connection)).Distinct();
        string split = IsSplitBrain(node) ? " (split brain)" : "";
        return $"{node.Core.Role} {connection}{split}, {string.Join("; ", volumes)}";
    }

    private static string DescribeVolume(SimulatedNode node, VolumeNr volume, ConnectionState connection)
    {
        string disks = $"{node.Status.DiskState(volume)}/{node.Status.PeerDiskState(volume, ClusterHarness.PeerOf)}";
        string name = node.Settings.Volumes.Length > 1 ? $"v{volume.Value} " : "";
        return connection == ConnectionState.Connected ? $"{name}{node.Status.ReplicationState(volume, ClusterHarness.PeerOf)} {disks}" : $"{name}{disks}";
    }
}
