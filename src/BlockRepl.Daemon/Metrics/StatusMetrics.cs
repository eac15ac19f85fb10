using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metrics;

/// <summary>
/// The states of a node's resources as metrics (docs/monitoring.md). Names and labels are drbd-reactor's, with the prefix <c>blockrepl_</c>, where the meaning is the same. Pure.
/// </summary>
internal static class StatusMetrics
{
    /// <summary>Writes every family, also of what does not exist at present: a family that comes and goes makes bad alerts.</summary>
    public static void Write(MetricsWriter output, IReadOnlyList<ResourceStatus> resources)
    {
        Resources(output, resources);
        Connections(output, [.. resources.SelectMany(resource => resource.Connections.Select(connection => (resource.Name, connection)))]);
        Devices(output, [.. resources.SelectMany(resource => resource.Volumes.Select(volume => (resource.Name, volume)))]);
        PeerDevices(output, [.. resources.SelectMany(resource => resource.Connections.SelectMany(
            connection => connection.Volumes.Select(volume => (resource.Name, connection.Peer, volume))))]);
    }

    private static void Resources(MetricsWriter output, IReadOnlyList<ResourceStatus> resources)
    {
        output.Gauge("blockrepl_resource_resources", "Number of resources.");
        output.Sample(resources.Count);
        States<Role>(output, "blockrepl_resource_role", "Role of the resource on this node: 1 for the one that it has.", resources.Select(r => (r.Role, Of(r))));
        Gauge("blockrepl_resource_suspended", "Whether client I/O is held.", r => r.Suspended.Count > 0 ? 1 : 0);
        output.Gauge("blockrepl_resource_suspended_seconds", "For how long client I/O has been held, by reason.");
        foreach (ResourceStatus resource in resources)
        {
            foreach (SuspensionStatus reason in resource.SuspendedDetails)
                output.Sample(reason.SinceSeconds, [.. Of(resource), ("reason", reason.Reason)]);
        }

        Gauge("blockrepl_resource_maypromote", "Whether the resource may be promoted without force.", r => r.MayPromote ? 1 : 0);
        Gauge("blockrepl_resource_fencing_configured", "Whether a lost peer is fenced without a person: a policy and a fence-peer handler.", r => r.Fencing != "dont-care" && r.HasFencePeer ? 1 : 0);
        Gauge("blockrepl_resource_running_seconds", "Since the daemon took the resource up.", r => r.RunningSeconds);
        output.Counter("blockrepl_handler_calls_total", "Calls of handlers that have ended, by exit code; -1 is a handler that was killed or could not be started.");
        foreach (ResourceStatus resource in resources)
        {
            foreach (HandlerStatus handler in resource.Handlers)
                output.Sample(handler.Calls, [.. Of(resource), ("handler", handler.Handler), ("exit_code", handler.ExitCode.ToString(System.Globalization.CultureInfo.InvariantCulture))]);
        }

        void Gauge(string name, string help, Func<ResourceStatus, double> value)
        {
            output.Gauge(name, help);
            foreach (ResourceStatus resource in resources)
                output.Sample(value(resource), Of(resource));
        }

        static (string, string)[] Of(ResourceStatus resource) => [("name", resource.Name)];
    }

    private static void Connections(MetricsWriter output, IReadOnlyList<(string Resource, ConnectionStatus Status)> connections)
    {
        States<ConnectionState>(output, "blockrepl_connection_state", "State of the connection: 1 for the one that it is in.", connections.Select(c => (c.Status.ConnectionState, Of(c))));
        States<Role>(output, "blockrepl_connection_peer_role", "Role of the peer as far as is known: 1 for the one that it has.", connections.Select(c => (c.Status.PeerRole, Of(c))));
        Gauge("blockrepl_connection_disconnected_seconds", "Since the peer was last connected; 0 while it is.", c => c.DisconnectedSeconds);
        Gauge("blockrepl_connection_congested", "Whether the queue to the peer is more than four fifths full.", c => c.IsCongested ? 1 : 0);
        Gauge("blockrepl_connection_queued_bytes", "Bytes that wait in this node's queue to the peer.", c => c.QueuedBytes);
        Gauge("blockrepl_connection_splitbrain", "Whether the last handshake found a split brain that is not resolved.",
            c => c.ConnectionState != ConnectionState.Connected && c.Volumes.Any(volume => volume.SplitBrain is not null) ? 1 : 0);
        Gauge("blockrepl_connection_protocol_version", "Protocol version that is spoken; 0 while not connected.", c => c.ProtocolVersion);

        void Gauge(string name, string help, Func<ConnectionStatus, double> value)
        {
            output.Gauge(name, help);
            foreach (var connection in connections)
                output.Sample(value(connection.Status), Of(connection));
        }

        static (string, string)[] Of((string Resource, ConnectionStatus Status) c) => [("name", c.Resource), ("conn_name", c.Status.Peer)];
    }

    private static void Devices(MetricsWriter output, IReadOnlyList<(string Resource, VolumeStatus Status)> volumes)
    {
        States<DiskState>(output, "blockrepl_device_state", "State of the local disk: 1 for the one that it is in.", volumes.Select(v => (v.Status.DiskState, Of(v))));
        Gauge("blockrepl_device_unintentionaldiskless", "Whether the volume has no local disk.", v => v.DiskState is DiskState.Diskless or DiskState.Failed ? 1 : 0);
        Gauge("blockrepl_device_nodata", "Whether neither the local disk nor a peer serves a volume of this Primary.", v => v.NoData is null ? 0 : 1);
        Gauge("blockrepl_device_size_bytes", "Bytes that the export has.", v => v.SizeBytes);
        Gauge("blockrepl_device_clients", "Open NBD connections.", v => v.Clients);
        Gauge("blockrepl_device_alactive_extents", "Extents of 4 MiB in the activity log: what a crash now would mark.", v => v.AlActiveExtents);
        Counter("blockrepl_device_read_bytes_total", "Bytes that clients have read.", v => v.ReadBytes);
        Counter("blockrepl_device_written_bytes_total", "Bytes that clients have written.", v => v.WrittenBytes);

        void Gauge(string name, string help, Func<VolumeStatus, double> value)
        {
            output.Gauge(name, help);
            Samples(value);
        }

        void Counter(string name, string help, Func<VolumeStatus, double> value)
        {
            output.Counter(name, help);
            Samples(value);
        }

        void Samples(Func<VolumeStatus, double> value)
        {
            foreach (var volume in volumes)
                output.Sample(value(volume.Status), Of(volume));
        }

        static (string, string)[] Of((string Resource, VolumeStatus Status) v) => [("name", v.Resource), ("volume", v.Status.Name)];
    }

    private static void PeerDevices(MetricsWriter output, IReadOnlyList<(string Resource, string Peer, PeerVolumeStatus Status)> volumes)
    {
        States<ReplicationState>(output, "blockrepl_peerdevice_replication_state", "What happens on the volume towards the peer: 1 for the state that it is in.", volumes.Select(v => (v.Status.ReplicationState, Of(v))));
        States<DiskState>(output, "blockrepl_peerdevice_state", "State of the peer's disk as far as is known: 1 for the one that it is in.", volumes.Select(v => (v.Status.PeerDiskState, Of(v))));
        Gauge("blockrepl_peerdevice_outofsync_bytes", "Bytes that may differ between this node and the peer.", v => v.OutOfSyncBytes);
        Gauge("blockrepl_peerdevice_outofsync_seconds", "Since the volume was last in sync with the peer; 0 while it is.", v => v.OutOfSyncSeconds);
        Gauge("blockrepl_peerdevice_resync_size_bytes", "What the running resync has to make equal; 0 when none runs.", v => v.ResyncTotalBytes);
        Gauge("blockrepl_peerdevice_resync_done_bytes", "How much of that is equal and stable on both nodes.", v => v.ResyncDoneBytes);
        Gauge("blockrepl_peerdevice_resync_bytes_per_second", "Rate of the running resync over the last seconds; 0 when stalled or paused.", v => v.ResyncBytesPerSecond);
        Gauge("blockrepl_peerdevice_verify_ended_timestamp_seconds", "When the last complete verify since the daemon's start ended; 0 if there was none.",
            v => v.Verify is { State: "done", EndedAt: { } ended } ? ended.ToUnixTimeSeconds() : 0);
        Gauge("blockrepl_peerdevice_verify_different_bytes", "What the last verify found different and did not repair.", v => v.Verify is { } verify ? verify.DifferentBytes - verify.RepairedBytes : 0);

        void Gauge(string name, string help, Func<PeerVolumeStatus, double> value)
        {
            output.Gauge(name, help);
            foreach (var volume in volumes)
                output.Sample(value(volume.Status), Of(volume));
        }

        static (string, string)[] Of((string Resource, string Peer, PeerVolumeStatus Status) v) => [("name", v.Resource), ("conn_name", v.Peer), ("volume", v.Status.Name)];
    }

    // A series for each word, as drbd-reactor has it: an alert can name a state without knowing the others.
    private static void States<T>(MetricsWriter output, string name, string help, IEnumerable<(T State, (string, string)[] Labels)> samples)
        where T : struct, Enum
    {
        output.Gauge(name, help);
        foreach (var (state, labels) in samples)
        {
            foreach (T word in Enum.GetValues<T>())
                output.Sample(word.Equals(state) ? 1 : 0, [.. labels, (name, word.ToString())]);
        }
    }
}
