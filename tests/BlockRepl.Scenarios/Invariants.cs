using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>What must hold between any two steps of a cluster, whatever the script does to it.</summary>
public static class Invariants
{
    /// <summary>What is broken; null if nothing.</summary>
    public static string? Check(ClusterHarness cluster, HashSet<(int Volume, long Block)> corrupted) => TwoPrimaries(cluster) ?? NotOnRecord(cluster, corrupted);

    // Hard part 20: never two Primaries in one connection.
    private static string? TwoPrimaries(ClusterHarness cluster) =>
        cluster.IsConnected && cluster.Link is { IsCut: false }
        && cluster.Alpha.Core.Role == Role.Primary && cluster.Beta.Core.Role == Role.Primary
            ? "both nodes are Primary in one connection (hard part 20)"
            : null;

    // G8: a block that differs, or that would differ if either host lost power now, is marked durably or in an extent of the durable activity log, on one node at least.
    private static string? NotOnRecord(ClusterHarness cluster, HashSet<(int Volume, long Block)> corrupted)
    {
        for (int v = 0; v < cluster.Alpha.Disks.Length; v++)
        {
            SimulatedDisk alpha = cluster.Alpha.Disks[v];
            SimulatedDisk beta = cluster.Beta.Disks[v];
            SimulatedMetadata[] records = [cluster.Alpha.Metadata[v], cluster.Beta.Metadata[v]];
            IEnumerable<long> differing = alpha.Cache.Differences(beta.Cache)
                .Concat(alpha.UnflushedCount > 0 ? alpha.Cache.Differences(alpha.Stable) : [])
                .Concat(beta.UnflushedCount > 0 ? beta.Cache.Differences(beta.Stable) : []);
            foreach (long block in differing)
            {
                if (!corrupted.Contains((v, block)) && !Array.Exists(records, record => record.Covers(block) && record.IsOnRecord(block)))
                    return $"block {block} of v{v} may differ between the nodes, and neither has it on record (G8)";
            }
        }

        return null;
    }
}
