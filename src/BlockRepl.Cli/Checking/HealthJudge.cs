using System.Globalization;
using BlockRepl.Cli.Output;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Checking;

/// <summary>
/// Decides what of a resource's state somebody should look at, and how soon: critical is what serves no data or has lost its second copy, a warning what works and will not mend itself
/// or is being mended. Pure; any thread.
/// </summary>
public static class HealthJudge
{
    /// <summary>Everything that is not as it should be, in the order of the status.</summary>
    public static IEnumerable<HealthFinding> Judge(ResourceStatus resource, HealthLimits limits, DateTimeOffset now)
    {
        foreach (SuspensionStatus held in resource.SuspendedDetails)
        {
            // A handshake or a change of roles holds I/O for a moment; a person who suspended it knows, for a while.
            bool isBad = held.Reason is "fencing" or "no-data" || held.SinceSeconds >= limits.SuspendedCritical.TotalSeconds;
            if (isBad || held.Reason == "user")
            {
                string detail = held.Detail is null ? "" : $" ({held.Detail})";
                yield return new(isBad ? Health.Critical : Health.Warning, Invariant($"{resource.Name}: I/O is held by {held.Reason} for {held.SinceSeconds} s{detail}"));
            }
        }

        foreach (VolumeStatus volume in resource.Volumes)
        {
            if (Judge(resource, volume) is { } finding)
                yield return finding;
        }

        foreach (ConnectionStatus connection in resource.Connections)
        {
            if (Judge(resource, connection, limits) is { } finding)
                yield return finding;
            foreach (HealthFinding about in connection.Volumes.SelectMany(volume => Judge(resource, connection, volume, limits, now)))
                yield return about;
        }

        if (limits.RequiresPrimary && resource.Role != Role.Primary && resource.Connections.All(connection => connection.PeerRole != Role.Primary))
            yield return new(Health.Critical, $"{resource.Name}: no node is known to be Primary");
        if (limits.RequiresFencing && resource.Connections.Count > 0 && !IsFenced(resource))
            yield return new(Health.Warning, $"{resource.Name}: a lost peer is not fenced ({FencingText(resource)})");
    }

    /// <summary>A lost peer is fenced without a person.</summary>
    public static bool IsFenced(ResourceStatus resource) => resource.Fencing != "dont-care" && resource.HasFencePeer;

    /// <summary>What is done about a lost peer, in a few words.</summary>
    public static string FencingText(ResourceStatus resource) => resource switch
    {
        { Connections.Count: 0 } => "no peer",
        { Fencing: "dont-care" } => "fencing dont-care",
        { HasFencePeer: false } => $"fencing {resource.Fencing} without a fence-peer handler",
        _ => $"fencing {resource.Fencing}",
    };

    private static HealthFinding? Judge(ResourceStatus resource, VolumeStatus volume)
    {
        string name = $"{resource.Name}/{volume.Name}";
        if (volume.NoData is not null)
            return new(Health.Critical, $"{name}: no data accessible ({volume.NoData})");
        switch (volume.DiskState)
        {
            case DiskState.UpToDate:
                return null;
            case DiskState.Consistent or DiskState.Attaching or DiskState.Negotiating:
                return new(Health.Warning, $"{name} is {volume.DiskState}");
            case DiskState.Inconsistent or DiskState.Outdated when resource.Connections.Any(connection => IsBeingMended(connection, volume.Name)):
                return new(Health.Warning, $"{name} is {volume.DiskState}, being resynced");
            default:
                string served = volume.ServedBy is null ? "" : $", served by {volume.ServedBy}";
                return new(Health.Critical, $"{name} is {volume.DiskState}{served}");
        }
    }

    private static bool IsBeingMended(ConnectionStatus connection, string volume) => connection.Volumes.Any(candidate => candidate.Name == volume
        && candidate.ReplicationState is ReplicationState.SyncTarget or ReplicationState.WFBitMapT or ReplicationState.Behind);

    private static HealthFinding? Judge(ResourceStatus resource, ConnectionStatus connection, HealthLimits limits)
    {
        string name = $"{resource.Name}@{connection.Peer}";
        if (connection.Volumes.Any(volume => volume.SplitBrain is not null) && connection.ConnectionState != ConnectionState.Connected)
            return new(Health.Critical, $"{name}: split brain ({connection.Detail ?? "see blockrepl status"})");
        string why = connection.Detail is null ? "" : $" ({connection.Detail})";
        switch (connection.ConnectionState)
        {
            case ConnectionState.Connected:
                return connection.IsCongested ? new(Health.Warning, $"{name}: {StatusText.Bytes(connection.QueuedBytes)} wait for a congested link") : null;
            case ConnectionState.StandAlone:
                return new(Health.Critical, $"{name} is StandAlone{why}");
            default:
                bool isLong = connection.DisconnectedSeconds >= limits.DisconnectedCritical.TotalSeconds;
                return new(isLong ? Health.Critical : Health.Warning, Invariant($"{name} is {connection.ConnectionState}, away for {connection.DisconnectedSeconds} s{why}"));
        }
    }

    private static IEnumerable<HealthFinding> Judge(
        ResourceStatus resource, ConnectionStatus connection, PeerVolumeStatus volume, HealthLimits limits, DateTimeOffset now)
    {
        string name = $"{resource.Name}/{volume.Name}@{connection.Peer}";
        bool isConnected = connection.ConnectionState == ConnectionState.Connected;
        string marked = $"{StatusText.Bytes(volume.OutOfSyncBytes)} out of sync";
        if (limits.ResyncAgeCritical is { } age && volume.OutOfSyncSeconds >= age.TotalSeconds)
            yield return new(Health.Critical, Invariant($"{name}: not in sync for {volume.OutOfSyncSeconds} s"));
        if (limits.OutOfSyncCriticalBytes is { } critical && volume.OutOfSyncBytes >= critical)
            yield return new(Health.Critical, $"{name}: {marked}");
        else if (isConnected && volume.ReplicationState == ReplicationState.Established && volume.OutOfSyncBytes >= limits.OutOfSyncWarningBytes)
            yield return new(Health.Warning, $"{name}: {marked}");

        if (isConnected && volume.Note is not null)
            yield return new(Health.Critical, $"{name}: {volume.Note}");
        else if (isConnected && Replication(volume, name, marked) is { } finding)
            yield return finding;

        if (limits.VerifyAgeWarning is { } old)
        {
            bool isVerified = volume.Verify is { State: "done", EndedAt: { } ended } && now - ended < old;
            bool isRunning = volume.Verify is { State: "running" or "repairing" };
            // What an earlier daemon verified is not known; this one has had the time only when it has run for so long.
            if (!isVerified && !isRunning && (volume.Verify is { State: "done" } || resource.RunningSeconds >= old.TotalSeconds))
                yield return new(Health.Warning, volume.Verify is { EndedAt: { } last, State: "done" } ? $"{name}: last verified {last:yyyy-MM-dd}" : $"{name}: never verified since the daemon started");
        }
    }

    private static HealthFinding? Replication(PeerVolumeStatus volume, string name, string marked)
    {
        string eta = volume.ResyncEtaSeconds is { } seconds ? Invariant($", {seconds} s to go") : "";
        switch (volume.ReplicationState)
        {
            case ReplicationState.Established or ReplicationState.VerifyS or ReplicationState.VerifyT:
                return volume.PeerDiskState == DiskState.UpToDate ? null : volume.PeerDiskState switch
                {
                    DiskState.Diskless or DiskState.Failed => new(Health.Critical, $"{name}: the peer's disk is {volume.PeerDiskState}"),
                    _ => new(Health.Warning, $"{name}: the peer's disk is {volume.PeerDiskState}"),
                };
            case ReplicationState.SyncSource or ReplicationState.SyncTarget or ReplicationState.WFBitMapS or ReplicationState.WFBitMapT:
                return new(Health.Warning, Invariant($"{name}: {volume.ReplicationState} {volume.ResyncPercent:0.##}%, {marked}{eta}"));
            case ReplicationState.Off:
                return volume.PeerDiskState is DiskState.Diskless or DiskState.Failed
                    ? new(Health.Critical, $"{name}: the peer's disk is {volume.PeerDiskState}")
                    : new(Health.Warning, $"{name}: not replicated");
            default:
                string waiting = volume.ResyncWaitingFor is null ? "" : $", waiting for {volume.ResyncWaitingFor}";
                return new(Health.Warning, $"{name}: {volume.ReplicationState}, {marked}{waiting}");
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
