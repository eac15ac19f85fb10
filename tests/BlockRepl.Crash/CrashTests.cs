using System.Diagnostics;
using System.Globalization;
using BlockRepl.Crash.Checks;
using BlockRepl.Crash.Recording;
using BlockRepl.Crash.Scenarios;
using Xunit.Abstractions;

namespace BlockRepl.Crash;

/// <summary>Every scenario is recorded once and cut everywhere. BLOCKREPL_CRASH_SECONDS runs each for so long, with a new seed each time; BLOCKREPL_CRASH_SEED says the first one.</summary>
public class CrashTests(ITestOutputHelper output)
{
    public static TheoryData<string> Names => [.. CrashScenarios.All.Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task G1_G2_G3_G5_G8_G10_hold_at_every_cut_of(string name)
    {
        CrashScenario scenario = CrashScenarios.All.Single(candidate => candidate.Name == name);
        ulong seed = ulong.Parse(Environment.GetEnvironmentVariable("BLOCKREPL_CRASH_SEED") ?? "1", CultureInfo.InvariantCulture);
        var seconds = int.Parse(Environment.GetEnvironmentVariable("BLOCKREPL_CRASH_SECONDS") ?? "0", CultureInfo.InvariantCulture);
        var clock = Stopwatch.StartNew();
        do
        {
            long began = clock.ElapsedMilliseconds;
            var run = new CrashRun(scenario, seed);
            History history = await run.RecordAsync();
            long recorded = clock.ElapsedMilliseconds;
            run.CheckEnd(history);
            int looked = run.CheckImages(history);
            long checkedAt = clock.ElapsedMilliseconds;
            await run.ReopenAsync(history);
            output.WriteLine($"seed {seed}: {history.Disks.Sum(node => node.Sum(log => log.Calls.Length))} calls, {looked} pairs of disks, {run.Reopenings} of them opened; "
                + $"recorded in {recorded - began} ms, looked at in {checkedAt - recorded} ms, opened in {clock.ElapsedMilliseconds - checkedAt} ms");
            Assert.True(looked > 100, "a scenario with hardly a call");
            seed++;
        }
        while (clock.Elapsed.TotalSeconds < seconds);
    }

    /// <summary>What a failure left, once more: BLOCKREPL_CRASH_TRACE and BLOCKREPL_CRASH_CUT as its text says them. Without them the file format is tried on a fresh run.</summary>
    [Fact]
    public async Task A_saved_trace_is_cut_again()
    {
        if (Environment.GetEnvironmentVariable("BLOCKREPL_CRASH_TRACE") is not { Length: > 0 } file)
        {
            CrashScenario first = CrashScenarios.All[0];
            History fresh = await new CrashRun(first, 7).RecordAsync();
            string path = TraceFile.Save(fresh);
            History loaded = TraceFile.Load(path);
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
            Assert.Equal(fresh.Disks[1][0].Calls.Select(call => call.ToString()), loaded.Disks[1][0].Calls.Select(call => call.ToString()));
            Assert.Equal((fresh.Now, fresh.Chunks.Count, fresh.Ledger.Blocks.Count), (loaded.Now, loaded.Chunks.Count, loaded.Ledger.Blocks.Count));
            return;
        }

        History history = TraceFile.Load(file);
        CrashScenario scenario = CrashScenarios.All.Single(candidate => candidate.Name == history.Scenario);
        long[] cut = [.. (Environment.GetEnvironmentVariable("BLOCKREPL_CRASH_CUT") ?? "").Split(':').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
        var run = new CrashRun(scenario, history.Seed);
        run.CheckImage(history, (int)cut[0], cut[1], (int)cut[2]);
        for (int way = 0; way < 3; way++)
            await run.ReopenAsync(history, (int)cut[0], cut[1], (int)cut[2], way);
    }
}
