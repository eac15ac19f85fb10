using System.Globalization;

namespace BlockRepl.Sim.Run;

/// <summary>What the command line asks for.</summary>
internal sealed class Options
{
    public ulong Seed { get; private set; } = 1;

    public long Count { get; private set; } = 1;

    public string Canary { get; private set; } = "";

    public bool IsHelp { get; private set; }

    /// <summary>Reads the command line; null with the reason in words if it is wrong.</summary>
    public static Options? Parse(string[] args, out string wrong)
    {
        var options = new Options();
        wrong = "";
        for (int i = 0; i < args.Length; i++)
        {
            string name = args[i];
            if (name is "--help" or "-h")
            {
                options.IsHelp = true;
                return options;
            }

            if (name is not ("--seed" or "--count" or "--canary"))
            {
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
                wrong = $"{name}: '{args[i]}' is not a number that fits";
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
            case "--count":
                bool isCount = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long count) && count > 0;
                Count = count;
                return isCount;
            default:
                bool isSeed = ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed);
                Seed = seed;
                return isSeed;
        }
    }
}
