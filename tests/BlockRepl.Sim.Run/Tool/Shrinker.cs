namespace BlockRepl.Sim.Run;

/// <summary>Looks for a smaller run that fails in the same way: faults left out one kind after the other, then the time of faults cut shorter.</summary>
internal static class Shrinker
{
    private const int TriesMax = 200;

    /// <summary>The smallest that was found.</summary>
    public static SeedRun Shrink(SeedRun failed, TextWriter to)
    {
        SeedRun best = failed;
        int tries = 0;
        bool isSmaller = true;
        while (isSmaller && tries < TriesMax)
        {
            isSmaller = false;
            foreach (Fault fault in Enum.GetValues<Fault>())
            {
                if (best.Without.Contains(fault))
                    continue;
                isSmaller |= Try(new SeedRun(best.Seed, best.UntilUs, [.. best.Without, fault]), ref best, ref tries);
            }

            long until = Math.Min(best.UntilUs, best.EndedAtUs);
            foreach (double part in (double[])[0.25, 0.5, 0.75, 0.9])
                isSmaller |= Try(new SeedRun(best.Seed, (long)(until * part), best.Without), ref best, ref tries);
        }

        to.WriteLine($"shrunk in {tries} runs: {best.Without.Count} kinds of faults are not needed, {best.EndedAtUs / 1000} ms are");
        return best;
    }

    private static bool Try(SeedRun candidate, ref SeedRun best, ref int tries)
    {
        tries++;
        if (candidate.Execute() || candidate.Kind != best.Kind || (candidate.EndedAtUs >= best.EndedAtUs && candidate.Without.Count <= best.Without.Count))
            return false;
        best = candidate;
        return true;
    }
}
