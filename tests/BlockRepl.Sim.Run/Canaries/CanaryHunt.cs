#if CANARIES
using System.Diagnostics;
using System.Reflection;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// Turns one canary on after the other and runs seeds from 1 on until one fails (docs/canaries.md). A canary that survives as many seeds as it is allowed says that the simulator's checks are too weak, or its
/// histories too tame: those are mended, never the canary.
/// </summary>
internal sealed class CanaryHunt(int threads, int seedsMax)
{
    private readonly Lock _gate = new();
    private readonly HashSet<(ulong Seed, string Where)> _spoilt = [];
    private readonly Dictionary<(ulong Seed, string Where), bool> _isGood = [];
    private Found? _found;
    private long _next;

    private sealed record Found(ulong Seed, string Where, string Violation);

    /// <summary>Hunts all of them and prints a table. True if each was found.</summary>
    public bool HuntAll()
    {
        PropertyInfo[] canaries = typeof(Canary).GetProperties();
        int survivors = 0;
        int open = 0;
        var watch = Stopwatch.StartNew();
        Console.WriteLine($"{"canary",-30} {"promise",-22} {"seed",5} {"of",4} {"s",6}  violation");
        foreach (PropertyInfo canary in canaries)
        {
            var each = Stopwatch.StartNew();
            CanaryFactsAttribute facts = canary.GetCustomAttribute<CanaryFactsAttribute>()!;
            int most = seedsMax > 0 ? seedsMax : facts.SeedsMax;
            Found? found = Hunt(canary.Name, most);
            survivors += found is null && !facts.IsOpen ? 1 : 0;
            open += found is null && facts.IsOpen ? 1 : 0;
            Console.WriteLine(FormattableString.Invariant(
                $"{Words(canary.Name),-30} {facts.Promises,-22} {found?.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "-",5} {most,4} {each.Elapsed.TotalSeconds,6:F1}  {(found is null ? (facts.IsOpen ? "OPEN" : "SURVIVES") : $"{found.Where}: {found.Violation}")}"));
        }

        Console.WriteLine(FormattableString.Invariant($"{canaries.Length - survivors - open} of {canaries.Length} canaries found in {watch.Elapsed.TotalSeconds:F0} s, {open} are open"));
        return survivors == 0;
    }

    /// <summary>Hunts one and prints how it was found. True if it was.</summary>
    public bool HuntOne(string name)
    {
        PropertyInfo canary = Array.Find(typeof(Canary).GetProperties(), property => Words(property.Name) == name)!;
        int most = seedsMax > 0 ? seedsMax : canary.GetCustomAttribute<CanaryFactsAttribute>()!.SeedsMax;
        if (Hunt(canary.Name, most) is not { } found)
        {
            Console.WriteLine($"{name} survives {most} seeds");
            return false;
        }

        Canary.TryTurnOn(name);
        if (found.Where == Simulated)
            Execute(found.Seed).Report(Console.Out, name);
        else
            MixTool.Report(found.Seed, found.Where, name, Console.Out);
        Console.WriteLine($"{name} is found with seed {found.Seed} of at most {most}: {found.Violation}");
        return true;
    }

    /// <summary>Every canary's name in words.</summary>
    public static bool IsKnown(string name) => Array.Exists(typeof(Canary).GetProperties(), property => Words(property.Name) == name);

    private const string Simulated = "simulation";

    private Found? Hunt(string name, int most)
    {
        if (!Canary.TryTurnOn(name))
            throw new InvalidOperationException(name);
        _next = 0;
        while (true)
        {
            _found = null;
            var hunters = new Thread[threads];
            for (int i = 0; i < threads; i++)
            {
                hunters[i] = new Thread(() => Seeds((ulong)most));
                hunters[i].Start();
            }

            foreach (Thread hunter in hunters)
                hunter.Join();
            Canary.TryTurnOn("");
            if (_found is null || IsGoodWithout(_found))
                return _found;

            // It fails without any canary: that says nothing about this one.
            _spoilt.Add((_found.Seed, _found.Where));
            _next = (long)_found.Seed - 1;
            Canary.TryTurnOn(name);
        }
    }

    private bool IsGoodWithout(Found found)
    {
        if (!_isGood.TryGetValue((found.Seed, found.Where), out bool isGood))
        {
            isGood = found.Where == Simulated ? Execute(found.Seed).Failure is null : MixTool.Try(found.Seed, Mixed.Mix.All.First(mix => mix.Name == found.Where)) is null;
            _isGood.Add((found.Seed, found.Where), isGood);
        }

        return isGood;
    }

    // The lowest seed counts, however many threads there are.
    private void Seeds(ulong most)
    {
        while (true)
        {
            ulong seed = (ulong)Interlocked.Increment(ref _next);
            lock (_gate)
            {
                if (seed > most || _found?.Seed < seed)
                    return;
            }

            if (Try(seed) is not { } found)
                continue;
            lock (_gate)
            {
                if (_found is null || found.Seed < _found.Seed)
                    _found = found;
            }
        }
    }

    private Found? Try(ulong seed)
    {
        foreach (Mixed.Mix mix in Mixed.Mix.All)
        {
            if (!_spoilt.Contains((seed, mix.Name)) && MixTool.Try(seed, mix) is { } wrong)
                return new Found(seed, mix.Name, FirstLine(wrong));
        }

        return !_spoilt.Contains((seed, Simulated)) && Execute(seed).Failure is { } failure ? new Found(seed, Simulated, FirstLine(failure.Message)) : null;
    }

    private static SeedRun Execute(ulong seed)
    {
        var run = new SeedRun(seed, long.MaxValue, []);
        run.Execute();
        return run;
    }

    private static string FirstLine(string text) => text.ReplaceLineEndings(" ") is { Length: > 160 } line ? line[..160] : text.ReplaceLineEndings(" ");

    private static string Words(string member) => string.Concat(member.Select((c, i) => char.IsUpper(c) ? (i == 0 ? "" : "-") + char.ToLowerInvariant(c) : c.ToString()));
}
#endif
