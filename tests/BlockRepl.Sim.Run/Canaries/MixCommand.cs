using System.Globalization;

namespace BlockRepl.Sim.Run;

/// <summary>The part of the command line that is about short histories and canaries (docs/canaries.md).</summary>
internal static class MixCommand
{
    private const string Usage = "usage: tools/sim --canaries|--canary NAME [--threads T] [--at-most SEEDS] | --mix NAME|all --seed N [--count K | --history] [--canary NAME]";

    /// <summary>Carries it out; null if the command line is about something else.</summary>
    public static int? Run(string[] args)
    {
        bool isHunt = args.Contains("--canaries");
        bool isMix = args.Contains("--mix");
        if (!isHunt && !isMix && (!args.Contains("--canary") || args.Contains("--seed") || args.Contains("--soak")))
            return null;
        string canary = ValueOf(args, "--canary", "");
        if (!TryNumber(args, "--threads", (ulong)Environment.ProcessorCount, out ulong threads) || !TryNumber(args, "--seed", 1, out ulong seed) || !TryNumber(args, "--count", 1, out ulong count) || !TryNumber(args, "--at-most", 0, out ulong most))
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        if (isMix && args.Contains("--history") && Mixed.Mix.All.FirstOrDefault(mix => mix.Name == ValueOf(args, "--mix", "")) is { } shown)
        {
            MixTool.Print(seed, shown);
            return 0;
        }

        if (isMix)
            return RunMix(ValueOf(args, "--mix", ""), seed, (long)count, canary);
#if CANARIES
        if (!isHunt && !CanaryHunt.IsKnown(canary))
        {
            Console.Error.WriteLine($"sim: there is no canary '{canary}' (docs/canaries.md)");
            return 2;
        }

        // A canary that is found is a run that failed, as it should; a table of them is good when each was found.
        var hunt = new CanaryHunt((int)Math.Clamp(threads, 1, 64), (int)Math.Min(most, int.MaxValue));
        return isHunt ? (hunt.HuntAll() ? 0 : 1) : hunt.HuntOne(canary) ? 1 : 0;
#else
        Console.Error.WriteLine($"sim: no canaries to hunt with {threads} threads{(most > 0 ? $" and {most} seeds" : "")}: this build has none; tools/sim builds one that has");
        return 2;
#endif
    }

    private static int RunMix(string name, ulong seed, long count, string canary)
    {
        if (canary.Length > 0 && !CanarySwitch.TryTurnOn(canary, out string refusal))
        {
            Console.Error.WriteLine($"sim: {refusal}");
            return 2;
        }

        if (name != "all" && !Mixed.Mix.All.Any(mix => mix.Name == name))
        {
            Console.Error.WriteLine($"sim: there is no mix '{name}', only {string.Join(", ", Mixed.Mix.All.Select(static mix => mix.Name))}");
            return 2;
        }

        return MixTool.Run(name, seed, count, canary) ? 0 : 1;
    }

    private static string ValueOf(string[] args, string name, string otherwise)
    {
        int at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : otherwise;
    }

    private static bool TryNumber(string[] args, string name, ulong otherwise, out ulong value) =>
        ulong.TryParse(ValueOf(args, name, otherwise.ToString(CultureInfo.InvariantCulture)), NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
