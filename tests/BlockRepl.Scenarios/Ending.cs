using BlockRepl.Primitives;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>What happens after the last line of a script: everything is healed, and the general promises are checked.</summary>
public static class Ending
{
    private const long PatienceMs = 600_000;

    /// <summary>Takes every fault away, starts and connects what is not, and lets it come to rest.</summary>
    public static void Heal(Scenario scenario)
    {
        ClusterHarness cluster = scenario.Cluster;
        scenario.Stepper.Held.Clear();
        scenario.Stepper.Faults.Clear();
        scenario.Stepper.Triggers.Clear();
        cluster.IsNetworkUp = true;
        SimulatedNode[] nodes = [cluster.Alpha, cluster.Beta];
        foreach (SimulatedNode node in nodes)
        {
            node.IsFrozen = false;
            if (node.IsAlive)
                continue;
            node.Start();
            cluster.Command(node, OperatorVerb.Connect);
        }

        scenario.Stepper.Run();
        foreach (SimulatedNode node in nodes)
        {
            for (ushort v = 0; v < node.Disks.Length; v++)
            {
                if (node.Status.DiskState(new VolumeNr(v)) == DiskState.Diskless && node.Core.Role != Role.Primary)
                    node.Attach(v);
            }

            // Split brains are not healed by asking once more; what was disconnected by hand is.
            if (node.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.StandAlone && !Transcript.IsSplitBrain(node))
                cluster.Command(node, OperatorVerb.Connect);
        }

        scenario.RunUntil(() => IsSettled(cluster), PatienceMs);
    }

    /// <summary>Connected, no resync running, nothing marked, nothing under way.</summary>
    public static bool IsSettled(ClusterHarness cluster) => cluster.IsConnected && new[] { cluster.Alpha, cluster.Beta }.All(static node => node.Status.IsIdle
        && Volumes(node).All(v => node.Status.ReplicationState(v, ClusterHarness.PeerOf) is ReplicationState.Established or ReplicationState.Off
            && node.Status.OutOfSyncBlocks(v, ClusterHarness.PeerOf) == 0
            && node.Status.DiskState(v) is not (DiskState.Failed or DiskState.Attaching or DiskState.Negotiating)));

    /// <summary>In sync, byte-identical, nothing marked, no request unanswered, no buffer leaked, and everything that was acknowledged is there.</summary>
    public static void Check(Scenario scenario, Statement end)
    {
        ClusterHarness cluster = scenario.Cluster;
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            string name = Scenario.NameOf(node);
            if (!cluster.IsConnected)
                throw end.Wrong($"the nodes are not connected: {name} is {node.Status.ConnectionState(ClusterHarness.PeerOf)}: {node.Status.Detail(ClusterHarness.PeerOf)}");
            if (node.Unanswered.Count > 0)
                throw end.Wrong($"{name} left {node.Unanswered.Count} requests without an answer (G12)");
            foreach (VolumeNr v in Volumes(node))
                CheckVolume(scenario, end, node, v);
        }

        for (int v = 0; v < cluster.Alpha.Disks.Length; v++)
        {
            if (cluster.Alpha.Disks[v].Cache.Differences(cluster.Beta.Disks[v].Cache) is { Count: > 0 } differences)
                throw end.Wrong($"v{v} differs between the nodes in block {differences[0]} and {differences.Count - 1} others (G5)");
        }

        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            if (node.Pool.RentedCount > 0)
                throw end.Wrong($"{node.Pool.RentedCount} buffers of {Scenario.NameOf(node)} were not given back");
        }
    }

    private static void CheckVolume(Scenario scenario, Statement end, SimulatedNode node, VolumeNr v)
    {
        string name = $"{Scenario.NameOf(node)} v{v.Value}";
        string state = $"{node.Status.ReplicationState(v, ClusterHarness.PeerOf)} {node.Status.DiskState(v)}/{node.Status.PeerDiskState(v, ClusterHarness.PeerOf)}";
        if (state != "Established UpToDate/UpToDate")
            throw end.Wrong($"{name} is {state}, not in sync");
        if (node.Status.OutOfSyncBlocks(v, ClusterHarness.PeerOf) is > 0 and var blocks)
            throw end.Wrong($"{name} has {blocks} blocks marked although it is in sync");
        if (node.Metadata[v.Value].MarkedBlocks is > 0 and var marked)
            throw end.Wrong($"the metadata of {name} have {marked} blocks marked although it is in sync");
        if (scenario.Data.Check(node.Disks[v.Value].Cache, v.Value) is { } wrong)
            throw end.Wrong($"{name}: {wrong}");
    }

    private static IEnumerable<VolumeNr> Volumes(SimulatedNode node) => Enumerable.Range(0, node.Disks.Length).Select(static v => new VolumeNr((ushort)v));
}
