using BlockRepl.Crash.Checks;
using BlockRepl.Crash.Cluster;
using BlockRepl.Crash.Recording;
using BlockRepl.Crash.Scenarios;
using BlockRepl.Format;
using Xunit.Sdk;

namespace BlockRepl.Crash;

/// <summary>The checks can fail: disks that lie in one respect are found out, each by the promise that it breaks.</summary>
public class CanaryTests
{
    private static readonly CrashPlan Plan = new();

    private static MetadataLayout Layout => MetadataLayout.ForInternal(Plan.DiskBytes, 1, 67)!;

    [Fact]
    public Task A_disk_that_does_not_flush_breaks_G1() => IsFoundOutAsync("G1", "writes-and-flushes", (kind, _) => kind == DiskCallKind.Flush);

    [Fact]
    public Task A_disk_that_forgets_the_activity_log_breaks_G8() => IsFoundOutAsync(
        "G8", "writes-and-flushes", (kind, offset) => kind == DiskCallKind.Write && offset >= Layout.ActivityLogOffset && offset < Layout.ActivityLogOffset + Layout.ActivityLogRingBytes);

    [Fact]
    public Task A_disk_that_forgets_marks_breaks_G8() => IsFoundOutAsync(
        "G8", "demoted-alone", (kind, offset) => kind == DiskCallKind.Write && offset >= Layout.BitmapsOffset && offset < Layout.ActivityLogOffset);

    [Fact]
    public Task A_disk_that_forgets_the_generation_breaks_I9() => IsFoundOutAsync(
        "I9", "peer-lost-and-back", (kind, offset) => kind == DiskCallKind.Write && (offset == Layout.SuperblockOffset0 || offset == Layout.SuperblockOffset1));

    private static async Task IsFoundOutAsync(string promise, string name, Func<DiskCallKind, long, bool> isLost)
    {
        var run = new CrashRun(CrashScenarios.All.Single(scenario => scenario.Name == name), 1) { IsLost = isLost };
        History history = await run.RecordAsync();
        FailException found = Assert.Throws<FailException>(() => { run.CheckImages(history); });
        Assert.StartsWith(promise, found.Message, StringComparison.Ordinal);
    }
}
