using BlockRepl.Sim.Mixed;

namespace BlockRepl.Sim.Run;

/// <summary>The short histories of <see cref="MixedRun"/> on the command line: <c>tools/sim --mix NAME --seed N</c>.</summary>
internal static class MixTool
{
    private const int HistoryLines = 120;

    /// <summary>Runs one history; null, or what went wrong.</summary>
    public static string? Try(ulong seed, Mix mix)
    {
        try
        {
            new MixedRun(seed, mix).Execute();
            return null;
        }
        catch (Exception e)
        {
            // Whatever it is: a broken promise, a broken invariant of the engine, a bug of the simulator.
            return e.Message;
        }
    }

    /// <summary>Runs seeds of one mix, or of all; prints the first that fails. True if none does.</summary>
    public static bool Run(string name, ulong first, long count, string canary)
    {
        for (ulong seed = first; seed < first + (ulong)count; seed++)
        {
            foreach (Mix mix in Mix.All)
            {
                if ((name != "all" && name != mix.Name) || Try(seed, mix) is null)
                    continue;
                Report(seed, mix.Name, canary, Console.Out);
                return false;
            }
        }

        Console.WriteLine("nothing failed");
        return true;
    }

    /// <summary>Runs one history and prints all of it, whether it fails or not.</summary>
    public static void Print(ulong seed, Mix mix)
    {
        var run = new MixedRun(seed, mix);
        string end = "nothing failed";
        try
        {
            run.Execute();
        }
        catch (Exception e)
        {
            end = e.Message;
        }

        Console.WriteLine(run.History(int.MaxValue));
        Console.WriteLine(end);
    }

    /// <summary>Repeats a history, and prints how it came to the failure.</summary>
    public static void Report(ulong seed, string name, string canary, TextWriter to)
    {
        var run = new MixedRun(seed, Mix.All.First(mix => mix.Name == name));
        string wrong = "it did not fail again: the simulator itself is not deterministic here";
        try
        {
            run.Execute();
        }
        catch (Exception e)
        {
            wrong = e.Message;
        }

        to.WriteLine(run.History(HistoryLines));
        to.WriteLine($"seed {seed} of {name} failed: {wrong}");
        to.WriteLine($"again: tools/sim --mix {name} --seed {seed}{(canary.Length > 0 ? $" --canary {canary}" : "")}");
    }
}
