using System.Globalization;
using BlockRepl.Fuzz.Engine;
using BlockRepl.Fuzz.Targets;
using Xunit.Abstractions;

namespace BlockRepl.Fuzz;

/// <summary>
/// G10, G14: whatever comes from outside costs a refusal, and neither a crash, nor memory without bound, nor a hang. Each target runs its corpus, a fixed set of seeds and a fresh set
/// whose seed is printed. BLOCKREPL_FUZZ_SECONDS runs each target for so long; BLOCKREPL_FUZZ_SEED runs that one seed.
/// </summary>
public class FuzzTests(ITestOutputHelper output)
{
    private const int FixedCases = 400;
    private static readonly TimeSpan FixedTime = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan FreshTime = TimeSpan.FromSeconds(1);

    public static TheoryData<string> Names => [.. FuzzTargets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void G10_G14_nothing_from_outside_crashes_hangs_or_fills_the_memory(string name)
    {
        FuzzTarget target = FuzzTargets.Find(name);
        var run = new FuzzRun(target, output);
        run.Corpus();
        if (Environment.GetEnvironmentVariable("BLOCKREPL_FUZZ_SEED") is { Length: > 0 } seed)
        {
            run.OneSeed(ulong.Parse(seed, CultureInfo.InvariantCulture));
            return;
        }

        run.Seeds(1, FixedCases, FixedTime);
        ulong fresh = (ulong)Random.Shared.NextInt64();
        string? seconds = Environment.GetEnvironmentVariable("BLOCKREPL_FUZZ_SECONDS");
        run.Seeds(fresh, int.MaxValue, seconds is { Length: > 0 } ? TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture)) : FreshTime);
    }

    /// <summary>One input again, as a failure's text says it: BLOCKREPL_FUZZ_INPUT=TARGET:HEX or TARGET:@FILE. Without it, that the same seed makes the same input.</summary>
    [Fact]
    public void An_input_runs_once_more()
    {
        if (Environment.GetEnvironmentVariable("BLOCKREPL_FUZZ_INPUT") is not { Length: > 0 } text)
        {
            foreach (FuzzTarget target in FuzzTargets.All)
                Assert.Equal(target.Make(new Prng(77)), target.Make(new Prng(77)));
            return;
        }

        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string input = text[(colon + 1)..];
        byte[] bytes = input.StartsWith('@') ? File.ReadAllBytes(input[1..]) : Convert.FromHexString(input);
        new FuzzRun(FuzzTargets.Find(text[..colon]), output).Case(bytes, "given by hand");
    }
}
