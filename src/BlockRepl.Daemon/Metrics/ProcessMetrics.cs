using System.Globalization;
using System.Reflection;

namespace BlockRepl.Daemon.Metrics;

/// <summary>What the daemon itself uses. Read when somebody asks; nothing is counted on the way of a request.</summary>
internal static class ProcessMetrics
{
    private static readonly double StartedAt = Started();

    /// <summary>Writes the families of the process.</summary>
    public static void Write(MetricsWriter output, string node)
    {
        output.Gauge("blockrepl_build_info", "Always 1; the node's name and the daemon's version are its labels.");
        output.Sample(1, ("node", node), ("version", typeof(ProcessMetrics).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? ""));
        output.Gauge("process_start_time_seconds", "When the daemon was started, since 1970.");
        output.Sample(StartedAt);
        output.Counter("process_cpu_seconds_total", "CPU time of the daemon.");
        output.Sample(Environment.CpuUsage.TotalTime.TotalSeconds);
        output.Gauge("process_resident_memory_bytes", "Memory of the daemon.");
        output.Sample(Environment.WorkingSet);
        output.Gauge("process_open_fds", "Open files and sockets of the daemon.");
        output.Sample(Directory.EnumerateFileSystemEntries("/proc/self/fd").Count());
        output.Counter("blockrepl_gc_pause_seconds_total", "How long garbage collections have stopped the daemon.");
        output.Sample(GC.GetTotalPauseDuration().TotalSeconds);
        output.Counter("blockrepl_gc_collections_total", "Garbage collections, by generation; one of a higher counts in the lower ones too.");
        for (int generation = 0; generation <= GC.MaxGeneration; generation++)
            output.Sample(GC.CollectionCount(generation), ("generation", generation.ToString(CultureInfo.InvariantCulture)));
    }

    private static double Started()
    {
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        return Math.Round(new DateTimeOffset(self.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds() / 1000.0, 3);
    }
}
