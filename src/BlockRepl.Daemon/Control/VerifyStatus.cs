using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Control;

/// <summary>How the comparison of a volume with a peer stands, or how the last one since the daemon started ended. Immutable.</summary>
public sealed record VerifyStatus
{
    /// <summary><c>running</c>, <c>repairing</c>, <c>done</c> or <c>stopped</c>.</summary>
    public required string State { get; init; }

    /// <summary>When it began, UTC, to the second.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended, UTC, to the second; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Where it began, in bytes.</summary>
    public long StartBytes { get; init; }

    /// <summary>Everything from the start to here was compared.</summary>
    public long PositionBytes { get; init; }

    /// <summary>Where it ends, in bytes.</summary>
    public long StopBytes { get; init; }

    /// <summary>Bytes found different, in whole blocks.</summary>
    public long DifferentBytes { get; init; }

    /// <summary>Of these, bytes that were repaired.</summary>
    public long RepairedBytes { get; init; }

    /// <summary>The first ranges found different; there may have been more.</summary>
    public IReadOnlyList<VerifyRangeStatus> Ranges { get; init; } = [];

    /// <summary>Why it stopped, in words; null if it did not.</summary>
    public string? Detail { get; init; }

    /// <summary>Which side counts and why, in words; null if nothing was said.</summary>
    public string? Evidence { get; init; }

    /// <summary>From Core's report, whose times are monotonic.</summary>
    public static VerifyStatus From(VerifyReport report, long nowMs, DateTimeOffset now) => new()
    {
        State = report switch
        {
            { IsRepairing: true } => "repairing",
            { IsRunning: true } => "running",
            { IsComplete: true } => "done",
            _ => "stopped",
        },
        StartedAt = At(report.StartedMs, nowMs, now),
        EndedAt = report.IsRunning ? null : At(report.EndedMs, nowMs, now),
        StartBytes = report.StartBytes,
        PositionBytes = report.PositionBytes,
        StopBytes = report.StopBytes,
        DifferentBytes = report.DifferentBlocks * Block.Size,
        RepairedBytes = report.RepairedBlocks * Block.Size,
        Ranges = [.. report.Ranges.Select(range => new VerifyRangeStatus(range.Offset, range.Length))],
        Detail = report.Detail.Length > 0 ? report.Detail : null,
        Evidence = report.Evidence.Length > 0 ? report.Evidence : null,
    };

    private static DateTimeOffset At(long ms, long nowMs, DateTimeOffset now) =>
        DateTimeOffset.FromUnixTimeSeconds(now.AddMilliseconds(ms - nowMs).ToUnixTimeSeconds());
}
