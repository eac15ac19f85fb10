using BlockRepl.Sim;
using BlockRepl.Sim.Run;

// Exit status: 0 nothing failed, 1 a seed failed, 2 the command line is wrong.
if (Options.Parse(args, out string wrong) is not { } options)
{
    Console.Error.WriteLine($"sim: {wrong} (--help)");
    return 2;
}

if (options.IsHelp)
{
    Console.WriteLine("usage: tools/sim --seed N [--count K] [--canary NAME]");
    return 0;
}

if (options.Canary.Length > 0 && !CanarySwitch.TryTurnOn(options.Canary, out string refusal))
{
    Console.Error.WriteLine($"sim: {refusal}");
    return 2;
}

for (long i = 0; i < options.Count; i++)
{
    ulong seed = options.Seed + (ulong)i;
    foreach (bool isReckless in new[] { false, true })
    {
        var run = new RandomRun(seed, isReckless);
        try
        {
            run.Execute();
        }
        catch (Exception e)
        {
            Console.WriteLine(run.History(60));
            Console.WriteLine($"seed {seed} failed: {e.Message}");
            Console.WriteLine($"again: tools/sim --seed {seed}{(options.Canary.Length > 0 ? " --canary " + options.Canary : "")}");
            return 1;
        }
    }
}

Console.WriteLine($"{options.Count} seeds, nothing failed");
return 0;
