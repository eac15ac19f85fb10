using System.Globalization;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Demo;

/// <summary>Numbers and states as a person reads them.</summary>
internal static class DemoText
{
    private const double MiB = 1 << 20;

    /// <summary>With a comma every three digits.</summary>
    public static string Count(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>In MiB.</summary>
    public static string Size(double bytes) => (bytes / MiB).ToString("#,0.0", CultureInfo.InvariantCulture) + " MiB";

    /// <summary>In seconds.</summary>
    public static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + " s";

    /// <summary>A load's rates and latencies.</summary>
    public static string Load(LoadFigures load) => string.Create(CultureInfo.InvariantCulture,
        $"{load.WritesPerSecond:#,0} writes/s, {load.BytesPerSecond / MiB:0.0} MiB/s, latency {load.MedianMs:0.0} ms (99 % within {load.Percentile99Ms:0.0} ms)");

    /// <summary>Role, disk, connection and what goes on over it.</summary>
    public static string State(ResourceStatus? status)
    {
        if (status is null)
            return "not running";
        var text = $"{status.Role}, {status.Volumes[0].DiskState}, {status.Connections[0].ConnectionState}";
        var peer = status.Connections[0].Volumes[0];
        if (peer.ReplicationState != Primitives.ReplicationState.Off)
            text += $", {peer.ReplicationState}";
        if (peer.OutOfSyncBytes > 0)
            text += $", {Size(peer.OutOfSyncBytes)} out of sync";
        return text;
    }
}
