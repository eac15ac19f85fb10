using System.Text.RegularExpressions;

namespace BlockRepl.Architecture.Tests;

/// <summary>
/// docs/invariants.md and docs/drbd-features.md name tests: each of those exists, every invariant and every hard part has its row, and a row without a test says what is missing.
/// </summary>
public sealed partial class InvariantTests
{
    private const int Invariants = 21;
    private const int HardParts = 28;

    private static readonly Lazy<HashSet<string>> Tests = new(() =>
        [.. RepoTree.Files("tests", ".cs").SelectMany(file => Method().Matches(RepoTree.Read(file)).Select(m => m.Groups["name"].Value))]);

    [Fact]
    public void Every_invariant_has_a_row() => Assert.Equal(
        Enumerable.Range(1, Invariants).Select(i => $"I{i}"), Rows("docs/invariants.md").Select(row => row[0]).Where(no => no.StartsWith('I')));

    [Fact]
    public void Every_hard_part_has_a_row() => Assert.Equal(
        Enumerable.Range(1, HardParts).Select(i => $"{i}"), Rows("docs/invariants.md").Select(row => row[0]).Where(no => char.IsAsciiDigit(no[0])));

    [Fact]
    public void A_row_names_tests_or_says_what_is_not_yet()
    {
        foreach (string[] row in Rows("docs/invariants.md"))
            Assert.True(TestsIn(row[3]).Any() || row[3].StartsWith("not yet: ", StringComparison.Ordinal), $"{row[0]}: \"{row[3]}\"");
    }

    [Theory]
    [InlineData("docs/invariants.md", 3)]
    [InlineData("docs/drbd-features.md", 2)]
    public void The_tests_that_a_document_names_exist(string document, int column)
    {
        string[] missing = [.. Rows(document).SelectMany(row => TestsIn(row[column])).Where(name => !Exists(name))];
        Assert.Empty(missing);
    }

    [Fact]
    public void A_feature_names_a_test_or_says_what_is_not_yet()
    {
        foreach (string[] row in Rows("docs/drbd-features.md"))
            Assert.True(TestsIn(row[2]).Any() || IsExcuse(row[2]), $"{row[0]}: \"{row[2]}\"");
    }

    /// <summary>A class that an invariant is said to be kept by exists.</summary>
    [Fact]
    public void What_keeps_an_invariant_exists()
    {
        HashSet<string> files = [.. RepoTree.Files("src", ".cs").Select(file => Path.GetFileNameWithoutExtension(file))];
        string[] missing = [.. Rows("docs/invariants.md").SelectMany(row => Quoted().Matches(row[2]).Select(m => m.Groups["text"].Value.Split('.')[0]))
            .Where(name => !name.Contains('/') && !files.Contains(name))];
        Assert.Empty(missing);
    }

    private static bool IsExcuse(string cell) =>
        cell.StartsWith("not yet: ", StringComparison.Ordinal) || cell.StartsWith("none: ", StringComparison.Ordinal);

    private static bool Exists(string name) => name.StartsWith("tests/", StringComparison.Ordinal)
        ? File.Exists(Path.Combine(RepoTree.Root, name))
        : Tests.Value.Contains(name);

    // A cell that says why there is no test may quote something else.
    private static IEnumerable<string> TestsIn(string cell) => IsExcuse(cell) ? [] : Quoted().Matches(cell).Select(m => m.Groups["text"].Value);

    // The rows of all tables of a document but their heads, cell by cell.
    private static IEnumerable<string[]> Rows(string document) => RepoTree.Read(document).Split('\n')
        .Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| no. ", StringComparison.Ordinal) && !line.StartsWith("| feature ", StringComparison.Ordinal))
        .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray());

    [GeneratedRegex(@"(?:void|Task) (?<name>\w+)\(")]
    private static partial Regex Method();

    [GeneratedRegex("`(?<text>[^`]+)`")]
    private static partial Regex Quoted();
}
