using System.Text.RegularExpressions;

namespace BlockRepl.Architecture.Tests;

/// <summary>The scripts of tests/e2e, tools and .ci can be run by those who run them.</summary>
public sealed partial class EndToEndScriptTests
{
    [Fact]
    public void Every_end_to_end_script_can_be_executed_and_has_a_time_limit()
    {
        var wrong = new List<string>();
        foreach (var file in RepoTree.Files("tests/e2e", ".sh").Where(f => f.Count(c => c == '/') == 2))
        {
            var executable = File.GetUnixFileMode(RepoTree.Full(file)).HasFlag(UnixFileMode.UserExecute);
            var text = RepoTree.Read(file);
            var isLibrary = !text.StartsWith("#!", StringComparison.Ordinal);
            if (executable == isLibrary || (!isLibrary && !TimeLimit().IsMatch(text)))
            {
                wrong.Add(file);
            }
        }

        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData(".ci/run")]
    [InlineData("tools/check")]
    [InlineData("tools/demo")]
    [InlineData("tools/package")]
    public void The_commands_of_the_readme_can_be_executed(string path)
    {
        Assert.True(File.GetUnixFileMode(RepoTree.Full(path)).HasFlag(UnixFileMode.UserExecute));
    }

    [Fact]
    public void Every_shell_script_stops_at_the_first_error()
    {
        var scripts = RepoTree.Files("tests/e2e", ".sh").Concat([".ci/run", "tools/check", "tools/demo", "tools/package"]);
        var wrong = scripts.Where(f =>
        {
            var text = RepoTree.Read(f);
            return text.StartsWith("#!", StringComparison.Ordinal) && !text.Contains("set -euo pipefail", StringComparison.Ordinal);
        });
        Assert.Empty(wrong);
    }

    [GeneratedRegex(@"^# time-limit: [1-9][0-9]* ", RegexOptions.Multiline)]
    private static partial Regex TimeLimit();
}
