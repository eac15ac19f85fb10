using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;

namespace BlockRepl.Daemon.Replication;

/// <summary>What Core is told of a resource's configuration, at the start and again at each <c>adjust</c>.</summary>
internal static class CoreSettings
{
    /// <summary>The settings of a resource as node <paramref name="node"/> runs it.</summary>
    public static ResourceSettings For(ClusterConfiguration configuration, string node, ResourceConfiguration resource)
    {
        NetworkOptions network = resource.Network;
        return new ResourceSettings
        {
            Name = resource.Name,
            NodeName = node,
            Volumes = [.. resource.Volumes.Select(volume => volume.Name)],
            Peers = [.. configuration.PeersOf(node).Select(peer => peer.Name)],
            Protocol = resource.Protocol,
            Fencing = resource.Fencing switch
            {
                Configuration.FencingPolicy.DontCare => Core.FencingPolicy.DontCare,
                Configuration.FencingPolicy.ResourceOnly => Core.FencingPolicy.ResourceOnly,
                _ => Core.FencingPolicy.ResourceAndStonith,
            },
            SplitBrain = resource.SplitBrain.Policies,
            RoleConflict = resource.SplitBrain.RoleConflict,
            SavesSplitBrain = resource.SplitBrain.Saves,
            Handlers = resource.Handlers.Configured,
            TimeoutMs = (long)network.Timeout.TotalMilliseconds,
            KoCount = network.KoCount,
            PingIntervalMs = (long)network.PingInterval.TotalMilliseconds,
            PingTimeoutMs = (long)network.PingTimeout.TotalMilliseconds,
            ConnectIntervalMs = (long)network.ConnectInterval.TotalMilliseconds,
            OnCongestion = network.OnCongestion,
            CongestionFillBytes = network.CongestionFillBytes,
            CongestionExtents = network.CongestionExtents,
            EpochWritesMax = network.MaxEpochSize,
            ResyncImpactPercent = resource.Resync.ImpactPercent,
            ResyncChecksums = resource.Resync.ComparesChecksums
                ? resource.Resync.ChecksumsAfterCrashOnly ? ResyncChecksums.AfterCrash : ResyncChecksums.Always
                : ResyncChecksums.Never,
            OnIoError = resource.OnIoError,
            DiskTimeoutMs = (long)resource.DiskTimeout.TotalMilliseconds,
            OnNoDataAccessible = resource.OnNoDataAccessible,
            ActivityLogExtentsMax = resource.ActivityLogExtents,
        };
    }
}
