using BlockRepl.Crash.Recording;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;

namespace BlockRepl.Crash.Cluster;

/// <summary>The names and disks that every run has: nodes alpha and beta, resource r, volume v.</summary>
internal static class PlannedCluster
{
    public const string Resource = "r";
    public const string Volume = "v";

    /// <summary>Metadata on a disk of its own takes this much of it.</summary>
    private const long MetaDiskBytes = 2 << 20;

    public static string[] Nodes { get; } = ["alpha", "beta"];

    public static VolumeIdentity IdentityOf(int node) => new(Resource, Volume, Nodes[node]);

    /// <summary>Fresh disks with fresh metadata.</summary>
    public static IBlockDevice[][] FreshDisks(CrashPlan plan) => [.. Enumerable.Range(0, 2).Select(node =>
    {
        var disk = new SparseDisk(plan.DiskBytes);
        SparseDisk? meta = plan.IsExternal ? new SparseDisk(MetaDiskBytes) : null;
        MetadataResult made = VolumeMetadataStore.Create(disk, meta, new MetadataCreateOptions
        {
            Identity = IdentityOf(node),
            DeviceId = 0x5EED_0000 + (ulong)node,
            PeerNames = [Nodes[1 - node]],
            ActivityLogExtents = 67,
        });
        Assert.True(made.IsOk, made.Message);
        return meta is null ? new IBlockDevice[] { disk } : [disk, meta];
    })];
}
