using System.Globalization;

namespace BlockRepl.Sim.Run;

/// <summary>One seed with its options, and what came of it.</summary>
internal sealed class SeedRun(ulong seed, long untilUs, HashSet<Fault> without)
{
    private const int TraceLines = 120;

    /// <summary>The seed.</summary>
    public ulong Seed => seed;

    /// <summary>When the time of faults ended at the latest, in simulated microseconds.</summary>
    public long UntilUs => untilUs;

    /// <summary>Faults left out.</summary>
    public HashSet<Fault> Without => without;

    /// <summary>What went wrong; null if nothing.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>What it drew.</summary>
    public RunPlan? Plan { get; private set; }

    /// <summary>What was done.</summary>
    public Statistics Statistics { get; private set; } = new();

    /// <summary>How far it came.</summary>
    public long EndedAtUs { get; private set; }

    /// <summary>All events, if it was traced.</summary>
    public IReadOnlyList<string> Trace { get; private set; } = [];

    /// <summary>Runs it. True if nothing went wrong.</summary>
    public bool Execute(bool isTracing = false)
    {
        Failure = null;
        Plan = new RunPlan(seed, without);
        var simulation = new Simulation(seed, Plan, isTracing);
        try
        {
            simulation.Run(untilUs);
        }
        catch (Exception e)
        {
            // Whatever it is: a broken promise, a broken invariant of the engine, a bug of the simulator. All of them end the seed.
            Failure = e;
        }

        EndedAtUs = simulation.Clock.NowUs - 1_000_000_000;
        Statistics = simulation.Statistics;
        Trace = simulation.Trace;
        return Failure is null;
    }

    /// <summary>What kind of failure it is: a shrunken run has to fail in the same way.</summary>
    public string Kind => Failure switch
    {
        null => "",
        ViolationException violation => violation.Promise,
        _ => Failure.GetType().Name + " " + Failure.Message,
    };

    /// <summary>What the failure says, without its numbers: one cause tends to say the same.</summary>
    public string Family
    {
        get
        {
            string message = (Plan?.IsReckless == true ? "reckless " : "") + (Failure is ViolationException ? Failure.Message : Failure + "");
            string head = string.Concat(message.Split('\n').Take(3)).Replace("alpha", "beta", StringComparison.Ordinal);
            return new string([.. head.Where(static c => !char.IsAsciiDigit(c))])[..Math.Min(60, head.Count(static c => !char.IsAsciiDigit(c)))];
        }
    }

    /// <summary>The command that repeats it.</summary>
    public string Command(string canary)
    {
        string command = $"tools/sim --seed {seed}";
        if (untilUs != long.MaxValue)
            command += string.Create(CultureInfo.InvariantCulture, $" --until {untilUs / 1e6:0.######}");
        if (without.Count > 0)
            command += $" --without {string.Join(",", without.Order())}";
        if (canary.Length > 0)
            command += $" --canary {canary}";
        return command;
    }

    /// <summary>Repeats it with a trace, and prints how it came to the failure.</summary>
    public void Report(TextWriter to, string canary)
    {
        string kind = Kind;
        Execute(isTracing: true);
        if (Kind != kind)
            to.WriteLine($"NOT REPEATED: first '{kind}', then '{Kind}': the simulator itself is not deterministic here");
        to.WriteLine($"seed {seed}: {(Trace.Count > 0 ? Trace[0].Trim() : "")}");
        foreach (string line in Trace.Skip(Math.Max(1, Trace.Count - TraceLines)))
            to.WriteLine(line);
        to.WriteLine($"seed {seed} failed after {EndedAtUs / 1_000_000} simulated seconds: {(Failure is ViolationException ? Failure.Message : Failure?.ToString())}");
        to.WriteLine($"again: {Command(canary)}");
    }
}
