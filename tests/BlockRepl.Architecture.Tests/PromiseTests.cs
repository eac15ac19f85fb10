using System.Text.RegularExpressions;

namespace BlockRepl.Architecture.Tests;

/// <summary>
/// Every promise G1 to G15 of docs/ARCHITECTURE.md is named by a test that tries to break it, or stands in docs/STATUS.md under
/// "Promises not yet kept". A promise may be in both: part of it kept and tested, part not.
/// </summary>
public sealed partial class PromiseTests
{
    private const int PromiseCount = 15;

    [Fact]
    public void Every_promise_is_tested_or_listed_as_not_yet_kept()
    {
        var tested = TestSources().SelectMany(f => Promises(RepoTree.Read(f))).ToHashSet();
        var notKept = Promises(NotYetKept()).ToHashSet();
        var silent = Enumerable.Range(1, PromiseCount).Where(n => !tested.Contains(n) && !notKept.Contains(n)).Select(n => $"G{n}");
        Assert.Empty(silent);
    }

    [Fact]
    public void No_test_names_a_promise_that_does_not_exist()
    {
        var wrong = TestSources().SelectMany(f => Promises(RepoTree.Read(f)).Where(n => n is < 1 or > PromiseCount).Select(n => $"{f}: G{n}"));
        Assert.Empty(wrong);
    }

    [Fact]
    public void What_is_not_yet_kept_says_what_is_missing()
    {
        var bare = NotYetKept().Split('\n').Where(l => Promise().IsMatch(l) && l.Length < 40);
        Assert.Empty(bare);
    }

    private static IEnumerable<string> TestSources() =>
        RepoTree.Files("tests", ".cs", ".sh", ".py")
            .Where(f => !f.StartsWith("tests/BlockRepl.Architecture.Tests/", StringComparison.Ordinal));

    private static string NotYetKept()
    {
        var section = NotYetKeptSection().Match(RepoTree.Read("docs/STATUS.md"));
        Assert.True(section.Success, "docs/STATUS.md has no section \"## Promises not yet kept\".");
        return section.Groups["body"].Value;
    }

    private static IEnumerable<int> Promises(string text) =>
        Promise().Matches(text).Select(m => int.Parse(m.Groups["number"].Value, System.Globalization.CultureInfo.InvariantCulture));

    // Not part of a longer word: a format such as "G17" in a ToString call, an identifier, a quoted string.
    [GeneratedRegex(@"(?<![\w""'{:])G(?<number>[1-9][0-9]?)(?![\w""'}])")]
    private static partial Regex Promise();

    [GeneratedRegex(@"^## Promises not yet kept\s*\n(?<body>(?:(?!^## ).*\n?)*)", RegexOptions.Multiline)]
    private static partial Regex NotYetKeptSection();
}
