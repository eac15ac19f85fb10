using System.Reflection;

namespace BlockRepl.Sim.Run;

/// <summary>The seeds of old failures: lines of <c>kept-seeds.txt</c>, each the options that repeat it and, behind a #, what was wrong.</summary>
internal static class KeptSeeds
{
    /// <summary>All of them.</summary>
    public static List<SeedRun> Read()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("kept-seeds.txt")
            ?? throw new InvalidOperationException("kept-seeds.txt is not in the program");
        using var reader = new StreamReader(stream);
        List<SeedRun> runs = [];
        while (reader.ReadLine() is { } line)
        {
            string[] words = line.Split('#')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0)
                continue;
            Options options = Options.Parse(words, out string wrong) ?? throw new InvalidOperationException($"kept-seeds.txt: {line}: {wrong}");
            runs.Add(new SeedRun(options.Seed ?? throw new InvalidOperationException($"kept-seeds.txt: {line}: no seed"), options.UntilUs, options.Without));
        }

        return runs;
    }
}
