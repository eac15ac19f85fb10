using BlockRepl.Scenarios.Language;

namespace BlockRepl.Scenarios;

/// <summary>
/// Scripts in <c>pending/</c> say what is promised and not kept yet. They count as not passed: docs/STATUS.md lists each by its name, and one that has begun to pass must
/// move to <c>scripts/</c>.
/// </summary>
public class PendingTests
{
    private const string ReasonMark = "# pending: ";

    [Fact]
    public void Every_pending_script_gives_its_reason_and_is_listed_in_the_status()
    {
        string status = File.ReadAllText(Path.Combine(ScenarioRunner.Folder, "..", "..", "docs", "STATUS.md"));
        foreach (string name in ScenarioRunner.Scripts("pending"))
        {
            string first = File.ReadLines(Path.Combine(ScenarioRunner.Folder, "pending", name + ".scn")).First();
            Assert.True(first.StartsWith(ReasonMark, StringComparison.Ordinal) && first.Length > ReasonMark.Length + 20, $"{name}.scn does not begin with \"{ReasonMark}why\"");
            Assert.True(status.Contains($"`{name}`", StringComparison.Ordinal), $"docs/STATUS.md does not list the pending scenario `{name}`");
        }
    }

    [Fact]
    public void Every_pending_script_still_fails()
    {
        foreach (string name in ScenarioRunner.Scripts("pending"))
        {
            string file = Path.Combine(ScenarioRunner.Folder, "pending", name + ".scn");
            Exception? failure = Record.Exception(() => ScenarioRunner.RunVariants(Script.Parse(name + ".scn", File.ReadAllLines(file))));
            Assert.True(failure is ScenarioException, $"{name}: {failure?.ToString() ?? "it passes now: move it to scripts/ and take it off the list in docs/STATUS.md"}");
        }
    }
}
