using System.Globalization;

namespace BlockRepl.Sim.Run;

/// <summary>What the command line asks for.</summary>
internal sealed class Options
{
    /// <summary>The first seed; null draws one.</summary>
    public ulong? Seed { get; private set; }

    /// <summary>How many seeds, one after the other.</summary>
    public long Count { get; private set; } = 1;

    /// <summary>A planted fault to turn on; empty for none.</summary>
    public string Canary { get; private set; } = "";

    /// <summary>Minutes to run seeds for; zero for a count.</summary>
    public double SoakMinutes { get; private set; }

    /// <summary>Threads, each with seeds of its own.</summary>
    public int Threads { get; private set; } = 1;

    /// <summary>The safety phase ends at that simulated time, in microseconds.</summary>
    public long UntilUs { get; private set; } = long.MaxValue;

    /// <summary>Faults and deeds to leave out.</summary>
    public HashSet<Fault> Without { get; } = [];

    /// <summary>Print every event, not only those before a failure.</summary>
    public bool IsTracing { get; private set; }

    /// <summary>Run the seeds of old failures.</summary>
    public bool RunsKept { get; private set; }

    /// <summary>Look for the smallest run that still fails.</summary>
    public bool Shrinks { get; private set; }

    /// <summary>Print what there is to know about the options.</summary>
    public bool IsHelp { get; private set; }

    /// <summary>The text for a stranger.</summary>
    public static string Help =>
        $"""
        sim - run a whole cluster in one process: two nodes with their disks, the network between them, clients and an operator, under random
        faults, and check that no promise of docs/ARCHITECTURE.md is broken. The same seed and options give the same run. docs/reliability.md
        says what goes wrong and what is checked.

        usage: tools/sim [--seed N] [--count K] [--threads T] [--until SECONDS] [--without FAULT,...] [--trace] [--shrink] [--canary NAME]
               tools/sim --soak MINUTES [--seed N] [--threads T]
               tools/sim --kept [--threads T]
          --seed N          the first seed; else a random one, which is printed
          --count K         that many seeds from it on (1)
          --soak MINUTES    seeds from it on until the time is over, on two threads unless --threads says otherwise; then the figures
          --kept            the seeds of old failures, with their options (tests/BlockRepl.Sim.Run/kept-seeds.txt)
          --threads T       run seeds side by side; each runs on one thread, and comes out the same
          --until SECONDS   end the time of faults at that simulated second, then heal and check
          --without FAULT   leave faults or deeds out: {string.Join(", ", Enum.GetNames<Fault>())}
          --trace           print every event of a single seed
          --shrink          when a seed fails: find a shorter time and fewer faults that still fail, and print those
          --canary NAME     build with planted faults, into a folder of its own, and turn that one on: the run should fail

        A failure prints the last events, the broken promise, and the command that repeats it.
        exit status: 0 nothing failed; 1 something failed; 2 the command line is wrong, or it does not build
        """;

    /// <summary>Reads the command line; null with the reason in words if it is wrong.</summary>
    public static Options? Parse(string[] args, out string wrong)
    {
        var options = new Options();
        wrong = "";
        for (int i = 0; i < args.Length; i++)
        {
            string name = args[i];
            switch (name)
            {
                case "--help" or "-h":
                    options.IsHelp = true;
                    return options;
                case "--kept":
                    options.RunsKept = true;
                    continue;
                case "--trace":
                    options.IsTracing = true;
                    continue;
                case "--shrink":
                    options.Shrinks = true;
                    continue;
                case "--seed" or "--count" or "--soak" or "--threads" or "--until" or "--without" or "--canary":
                    break;
                default:
                    wrong = $"unknown option {name}";
                    return null;
            }

            if (++i == args.Length)
            {
                wrong = $"{name} needs a value";
                return null;
            }

            if (!options.Take(name, args[i]))
            {
                wrong = $"{name}: '{args[i]}' does not fit";
                return null;
            }
        }

        return options;
    }

    private bool Take(string name, string value)
    {
        switch (name)
        {
            case "--canary":
                Canary = value;
                return true;
            case "--without":
                foreach (string word in value.Split(','))
                {
                    if (!Enum.TryParse(word, ignoreCase: true, out Fault fault) || !Enum.IsDefined(fault))
                        return false;
                    Without.Add(fault);
                }

                return true;
            case "--soak":
                bool isTime = double.TryParse(value, CultureInfo.InvariantCulture, out double minutes) && minutes > 0;
                SoakMinutes = minutes;
                Threads = Threads == 1 ? 2 : Threads;
                return isTime;
            case "--until":
                bool isUntil = double.TryParse(value, CultureInfo.InvariantCulture, out double seconds) && seconds >= 0;
                UntilUs = (long)Math.Round(seconds * 1e6);
                return isUntil;
            default:
                if (!ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number))
                    return false;
                if (name == "--seed")
                    Seed = number;
                else if (name == "--count")
                    Count = (long)Math.Min(number, long.MaxValue);
                else
                    Threads = (int)Math.Min(number, 64);
                return name == "--seed" || number > 0;
        }
    }
}
