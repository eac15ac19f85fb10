using System.Diagnostics;
using Xunit.Abstractions;

namespace BlockRepl.Fuzz.Engine;

/// <summary>Runs cases of one target: the corpus first, then seeds. A case is one seed: it makes one input, and the input alone decides what happens.</summary>
internal sealed class FuzzRun(FuzzTarget target, ITestOutputHelper output)
{
    /// <summary>What was found in the past, a file an input, named for what it was.</summary>
    public void Corpus()
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "corpus", target.Name);
        if (!Directory.Exists(folder))
            return;
        foreach (string file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
            Case(File.ReadAllBytes(file), $"corpus file {Path.GetFileName(file)}");
    }

    /// <summary>Cases from <paramref name="firstSeed"/> on, until the time is up or there are enough of them.</summary>
    public void Seeds(ulong firstSeed, int casesMax, TimeSpan timeMax)
    {
        var clock = Stopwatch.StartNew();
        int done = 0;
        while (done < casesMax && clock.Elapsed < timeMax)
            OneSeed(firstSeed + (ulong)done++);
        output.WriteLine($"{target.Name}: {done} cases from seed {firstSeed} on in {clock.ElapsedMilliseconds} ms");
        Assert.True(done > 0, "no case was run");
    }

    public void OneSeed(ulong seed) => Case(target.Make(new Prng(seed)), $"seed {seed}: BLOCKREPL_FUZZ_SEED={seed}");

    public void Case(byte[] input, string origin)
    {
        var clock = Stopwatch.StartNew();
        long before = GC.GetAllocatedBytesForCurrentThread();
        using var watch = new Timer(_ => Die(input, origin), null, target.MillisecondsMax * 10, Timeout.Infinite);
        try
        {
            target.Run(input);
        }
        catch (Exception e)
        {
            Fail(input, origin, e.ToString());
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > target.AllocatedBytesMax)
            Fail(input, origin, $"{allocated} bytes were allocated, {target.AllocatedBytesMax} may be");
        if (clock.ElapsedMilliseconds > target.MillisecondsMax)
            Fail(input, origin, $"it took {clock.ElapsedMilliseconds} ms, {target.MillisecondsMax} may pass");
    }

    private void Fail(byte[] input, string origin, string what) => Assert.Fail(Text(input, origin, what));

    // A case that hangs hangs the run: say which before it is killed.
    private void Die(byte[] input, string origin)
    {
        Console.Error.WriteLine(Text(input, origin, "it hangs"));
        Environment.FailFast("a fuzz case hangs");
    }

    private string Text(byte[] input, string origin, string what) => $"""
        {target.Name}: {what}
        {origin}
        again: BLOCKREPL_FUZZ_INPUT={target.Name}:{(input.Length <= 4096 ? Convert.ToHexString(input) : Save(input))} dotnet test tests/BlockRepl.Fuzz --filter once_more
        """;

    private string Save(byte[] input)
    {
        string path = Path.Combine(Path.GetTempPath(), $"blockrepl-fuzz-{target.Name}-{Guid.NewGuid():N}");
        File.WriteAllBytes(path, input);
        return "@" + path;
    }
}
