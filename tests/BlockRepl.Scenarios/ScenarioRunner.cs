using System.Globalization;
using BlockRepl.Scenarios.Language;

namespace BlockRepl.Scenarios;

/// <summary>Runs a script in all its variants and compares what was seen with what is recorded beside it.</summary>
public static class ScenarioRunner
{
    private const int StepsMax = 3_000;

    /// <summary>Where the scripts are.</summary>
    public static string Folder { get; } = FindFolder();

    /// <summary>Names of the scripts in a folder, in order.</summary>
    public static IEnumerable<string> Scripts(string folder) =>
        Directory.Exists(Path.Combine(Folder, folder)) // No folder is kept for no scripts.
            ? Directory.GetFiles(Path.Combine(Folder, folder), "*.scn").Select(static f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal)
            : [];

    /// <summary>Runs a script and compares its transcript with the recorded one, or records it. Throws <see cref="ScenarioException"/>.</summary>
    public static void Run(string folder, string name)
    {
        string file = Path.Combine(Folder, folder, name + ".scn");
        IReadOnlyList<string> transcript = RunVariants(Script.Parse(name + ".scn", File.ReadAllLines(file)));
        Compare(Path.ChangeExtension(file, ".out"), name, transcript);
    }

    /// <summary>Runs every variant of a script; returns the transcript of the one in fixed order in which the fault of <c>at-each-step</c> came last.</summary>
    public static IReadOnlyList<string> RunVariants(Script script)
    {
        ulong seeds = Seeds(script);
        IReadOnlyList<string> transcript = [];
        for (ulong seed = 0; seed <= seeds; seed++)
        {
            for (int step = 0; ; step++)
            {
                Scenario scenario = RunOnce(script, seed, step);
                if (!scenario.HasSteps || scenario.IsLastStep)
                {
                    if (seed == 0)
                        transcript = scenario.Transcript.Lines;
                    break;
                }

                if (step == StepsMax)
                    throw new ScenarioException(script.Name, $"\"at-each-step\" has more than {StepsMax} steps");
            }
        }

        return transcript;
    }

    private static Scenario RunOnce(Script script, ulong seed, int step)
    {
        var scenario = new Scenario(script, seed, step);
        try
        {
            scenario.Run();
            return scenario;
        }
        catch (ScenarioException e)
        {
            string variant = scenario.HasSteps || seed > 0 ? $"\n(fault after {step} steps, order of seed {seed})" : "";
            throw new ScenarioException(script.Name, $"{e.Message}{variant}\nseen until then:\n{string.Join('\n', scenario.Transcript.Lines.TakeLast(40))}");
        }
    }

    private static ulong Seeds(Script script)
    {
        Statement? shuffled = script.Statements.FirstOrDefault(static s => s.Verb == "shuffled");
        return shuffled is null ? 0 : ulong.Parse(shuffled.Words[0], CultureInfo.InvariantCulture);
    }

    private static void Compare(string path, string name, IReadOnlyList<string> transcript)
    {
        if (Environment.GetEnvironmentVariable("BLOCKREPL_RECORD") == "1")
        {
            File.WriteAllLines(path, transcript);
            return;
        }

        string[] recorded = File.Exists(path) ? File.ReadAllLines(path) : [];
        for (int i = 0; i < Math.Max(recorded.Length, transcript.Count); i++)
        {
            string was = i < recorded.Length ? recorded[i] : "(nothing)";
            string now = i < transcript.Count ? transcript[i] : "(nothing)";
            if (was != now)
            {
                throw new ScenarioException(
                    $"{name}.out:{i + 1}",
                    $"the transcript differs from the recorded one\n  recorded: {was.Trim()}\n  now:      {now.Trim()}\n"
                    + $"  after:    {string.Join("\n            ", transcript.Take(i).TakeLast(6))}\n"
                    + "if that is right, record it anew: BLOCKREPL_RECORD=1 dotnet test tests/BlockRepl.Scenarios, and read the difference before you commit it");
            }
        }
    }

    private static string FindFolder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "tests", "BlockRepl.Scenarios");
            if (Directory.Exists(Path.Combine(candidate, "scripts")))
                return candidate;
        }

        throw new DirectoryNotFoundException("tests/BlockRepl.Scenarios/scripts is nowhere above the test's assembly");
    }
}
