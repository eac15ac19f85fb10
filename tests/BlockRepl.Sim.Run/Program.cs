using System.Diagnostics;
using System.Security.Cryptography;
using BlockRepl.Sim.Run;

// Exit status: 0 nothing failed, 1 a seed failed, 2 the command line is wrong.
if (MixCommand.Run(args) is { } status)
    return status;
if (Options.Parse(args, out string wrong) is not { } options)
{
    Console.Error.WriteLine($"sim: {wrong} (--help)");
    return 2;
}

if (options.IsHelp)
{
    Console.WriteLine(Options.Help);
    return 0;
}

if (options.Canary.Length > 0 && !CanarySwitch.TryTurnOn(options.Canary, out string refusal))
{
    Console.Error.WriteLine($"sim: {refusal}");
    return 2;
}

List<SeedRun> kept = options.RunsKept ? KeptSeeds.Read() : [];
ulong first = options.Seed ?? BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(4));
if (options.Seed is null && !options.RunsKept)
    Console.WriteLine($"first seed: {first}");
if (options.IsTracing)
{
    var traced = new SeedRun(first, options.UntilUs, options.Without);
    traced.Execute(isTracing: true);
    foreach (string line in traced.Trace)
        Console.WriteLine(line);
}

var watch = Stopwatch.StartNew();
var total = new Statistics();
List<SeedRun> failed = [];
long next = -1;
var threads = new Thread[options.Threads];
for (int t = 0; t < threads.Length; t++)
{
    threads[t] = new Thread(RunSeeds);
    threads[t].Start();
}

foreach (Thread thread in threads)
    thread.Join();
failed.Sort(static (one, other) => one.Seed.CompareTo(other.Seed));

// One of each kind in full; what fails in the same way is named.
foreach (IGrouping<string, SeedRun> alike in failed.GroupBy(static run => run.Family))
{
    SeedRun run = alike.First();
    SeedRun shown = options.Shrinks ? Shrinker.Shrink(run, Console.Out) : run;
    shown.Report(Console.Out, options.Canary);
    if (alike.Count() > 1)
        Console.WriteLine($"the same way: {string.Join(", ", alike.Skip(1).Select(other => other.Seed))}");
    Console.WriteLine();
}

total.Print(Console.Out, watch.Elapsed.TotalSeconds);
Console.WriteLine(failed.Count == 0 ? "nothing failed" : $"{failed.Count} of {total.Seeds} seeds failed");
return failed.Count == 0 ? 0 : 1;

void RunSeeds()
{
    while (true)
    {
        long nr = Interlocked.Increment(ref next);
        bool isOver = options.RunsKept ? nr >= kept.Count : options.SoakMinutes > 0 ? watch.Elapsed.TotalMinutes >= options.SoakMinutes : nr >= options.Count;
        if (isOver)
            return;
        SeedRun run = options.RunsKept ? kept[(int)nr] : new SeedRun(first + (ulong)nr, options.UntilUs, options.Without);
        bool isGood = run.Execute();
        lock (total)
        {
            run.Statistics.Seeds = 1;
            run.Statistics.SimulatedUs = run.EndedAtUs;
            total.Add(run.Statistics);
            if (!isGood)
                failed.Add(run);
        }
    }
}
