using System.Globalization;
using System.Text;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Checking;

/// <summary>A monitoring plugin's one line: a word, what it is about, and after a bar the performance data.</summary>
public static class PluginLine
{
    /// <summary>The line for resources and what was found about them, worst first.</summary>
    public static string Of(IReadOnlyList<ResourceStatus> resources, IReadOnlyList<HealthFinding> findings, HealthLimits limits)
    {
        Health worst = Worst(findings);
        string text = findings.Count > 0
            ? string.Join("; ", findings.OrderByDescending(finding => finding.Health).Select(finding => finding.Text))
            : string.Join("; ", resources.Select(Describe));
        return Of(worst, text) + PerformanceData(resources, limits);
    }

    /// <summary>The line where there is nothing to measure.</summary>
    public static string Of(Health health, string text) => $"BLOCKREPL {Word(health)} - {Clean(text)}";

    /// <summary>The worst of them; OK if there are none.</summary>
    public static Health Worst(IReadOnlyList<HealthFinding> findings) => findings.Count == 0 ? Health.Ok : findings.Max(finding => finding.Health);

    private static string Describe(ResourceStatus resource)
    {
        string peers = string.Concat(resource.Connections.Select(connection => $", in sync with {connection.Peer} ({connection.PeerRole})"));
        return $"{resource.Name} {resource.Role}{peers}, {HealthJudge.FencingText(resource)}";
    }

    private static string PerformanceData(IReadOnlyList<ResourceStatus> resources, HealthLimits limits)
    {
        var data = new StringBuilder(" |");
        foreach (ResourceStatus resource in resources)
        {
            foreach (VolumeStatus volume in resource.Volumes)
            {
                data.Append(CultureInfo.InvariantCulture, $" {resource.Name}/{volume.Name}_read={volume.ReadBytes}c {resource.Name}/{volume.Name}_written={volume.WrittenBytes}c");
            }

            foreach (ConnectionStatus connection in resource.Connections)
            {
                data.Append(CultureInfo.InvariantCulture, $" {resource.Name}@{connection.Peer}_away={connection.DisconnectedSeconds}s;;{limits.DisconnectedCritical.TotalSeconds};0");
                foreach (PeerVolumeStatus volume in connection.Volumes)
                {
                    string name = $"{resource.Name}/{volume.Name}@{connection.Peer}";
                    string critical = limits.OutOfSyncCriticalBytes?.ToString(CultureInfo.InvariantCulture) ?? "";
                    data.Append(CultureInfo.InvariantCulture, $" {name}_out_of_sync={volume.OutOfSyncBytes}B;{limits.OutOfSyncWarningBytes};{critical};0");
                    data.Append(CultureInfo.InvariantCulture, $" {name}_not_in_sync={volume.OutOfSyncSeconds}s;;{limits.ResyncAgeCritical?.TotalSeconds};0");
                    if (volume.ReplicationState is ReplicationState.SyncSource or ReplicationState.SyncTarget or ReplicationState.PausedSyncS or ReplicationState.PausedSyncT)
                        data.Append(CultureInfo.InvariantCulture, $" {name}_resync={volume.ResyncPercent:0.##}%;;;0;100");
                }
            }
        }

        return data.Length == 2 ? "" : data.ToString();
    }

    private static string Word(Health health) => health switch
    {
        Health.Ok => "OK",
        Health.Warning => "WARNING",
        Health.Critical => "CRITICAL",
        _ => "UNKNOWN",
    };

    // A bar begins the performance data and an end of line ends the answer; a peer's words may hold both.
    private static string Clean(string text) => text.Replace('|', '/').ReplaceLineEndings(" ");
}
