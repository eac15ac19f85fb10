using System.Text.RegularExpressions;

namespace BlockRepl.Architecture.Tests;

/// <summary>Rules about single files that no analyzer of the build knows.</summary>
public sealed partial class SourceFileTests
{
    private const int LinesMax = 400;

    /// <summary>Files over <see cref="LinesMax"/> lines, each with the reason why it stays whole.</summary>
    private static readonly Dictionary<string, string> LongFiles = new(StringComparer.Ordinal);

    /// <summary>Lines that name a waiting call on purpose, as <c>path</c> with the reason.</summary>
    private static readonly Dictionary<string, string> MayWaitByTime = new(StringComparer.Ordinal)
    {
        ["src/BlockRepl.Daemon/Devices/NodeDevices.cs"] = "the kernel tells nobody who comes late that a link is dead, nor that it dropped a socket: it has to be looked at again",
        ["src/BlockRepl.Daemon/Devices/RoleResumption.cs"] = "a deadline: a peer that never comes gives no event to wait for",
        ["src/BlockRepl.Device/DirectQueue.cs"] = "the kernel has no memory for a request while nothing is in flight, and tells nobody when it has",
        ["src/BlockRepl.Rpc/StreamChannel.cs"] = "a deadline: a peer that never ends its side of a closed stream gives no event to wait for",
    };

    [Fact]
    public void No_source_file_is_longer_than_400_lines_unless_named_here_with_a_reason()
    {
        var tooLong = RepoTree.Files("src", ".cs").Concat(RepoTree.Files("native", ".c", ".h"))
            .Select(file => (File: file, Lines: File.ReadLines(RepoTree.Full(file)).Count()))
            .Where(f => f.Lines > LinesMax && !LongFiles.ContainsKey(f.File))
            .Select(f => $"{f.File}: {f.Lines} lines");
        Assert.Empty(tooLong);
    }

    [Fact]
    public void The_lists_of_exceptions_hold_nothing_that_has_gone()
    {
        var gone = LongFiles.Keys.Where(f => !File.Exists(RepoTree.Full(f)) || File.ReadLines(RepoTree.Full(f)).Count() <= LinesMax)
            .Concat(MayWaitByTime.Keys.Where(f => !File.Exists(RepoTree.Full(f))));
        Assert.Empty(gone);
        Assert.DoesNotContain(LongFiles.Concat(MayWaitByTime), e => e.Value.Length < 20);
    }

    [Fact]
    public void A_file_in_src_holds_at_most_one_public_type()
    {
        var wrong = new List<string>();
        foreach (var file in RepoTree.Files("src", ".cs"))
        {
            // Namespaces are file-scoped (an error otherwise), so a type that is not nested starts in the first column.
            var types = PublicType().Matches(RepoTree.Read(file)).Select(m => m.Groups["name"].Value).Distinct(StringComparer.Ordinal).ToList();
            if (types.Count > 1)
            {
                wrong.Add($"{file}: {string.Join(", ", types)}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void A_file_in_src_is_named_for_its_public_type()
    {
        var wrong = new List<string>();
        foreach (var file in RepoTree.Files("src", ".cs"))
        {
            var name = Path.GetFileNameWithoutExtension(file);
            var type = PublicType().Match(RepoTree.Read(file));
            if (type.Success && type.Groups["name"].Value != name)
            {
                wrong.Add($"{file}: {type.Groups["name"].Value}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Nothing_waits_for_time_instead_of_an_event()
    {
        var wrong = CSharp().Where(f => !MayWaitByTime.ContainsKey(f)).SelectMany(f => SourceRules.Matches(f, WaitsForTime()));
        Assert.Empty(wrong);
    }

    [Fact]
    public void Nothing_is_left_for_later_in_silence()
    {
        var wrong = CSharp().Concat(RepoTree.Files("native", ".c", ".h")).Concat(RepoTree.Files("tests/e2e", ".sh", ".py"))
            .Concat(RepoTree.Files("tools", ".sh", "")).SelectMany(f => SourceRules.Matches(f, LeftForLater()));
        Assert.Empty(wrong);
    }

    [Fact]
    public void No_test_is_skipped()
    {
        var wrong = RepoTree.Files("tests", ".cs").Where(f => !IsOwn(f)).SelectMany(f => SourceRules.Matches(f, SkippedTest()));
        Assert.Empty(wrong);
    }

    [Fact]
    public void No_file_has_a_tab_a_carriage_return_or_no_line_feed_at_its_end()
    {
        var wrong = CSharp().Where(f =>
        {
            var text = RepoTree.Read(f);
            return text.Contains('\t', StringComparison.Ordinal) || text.Contains('\r', StringComparison.Ordinal)
                || (text.Length > 0 && !text.EndsWith('\n'));
        });
        Assert.Empty(wrong);
    }

    private static IEnumerable<string> CSharp() => RepoTree.Files("src", ".cs").Concat(RepoTree.Files("tests", ".cs")).Where(f => !IsOwn(f));

    /// <summary>This project names what it forbids.</summary>
    private static bool IsOwn(string path) => path.StartsWith("tests/BlockRepl.Architecture.Tests/", StringComparison.Ordinal);

    [GeneratedRegex(
        @"^public (?:(?:static|sealed|abstract|readonly|ref|unsafe|partial|new) )*(?:record struct|record class|record|class|struct|interface|enum|delegate \S+) (?<name>\w+)",
        RegexOptions.Multiline)]
    private static partial Regex PublicType();

    [GeneratedRegex(@"\bThread\.Sleep\b|\bTask\.Delay\(")]
    private static partial Regex WaitsForTime();

    [GeneratedRegex(@"\bTODO\b|\bFIXME\b|\bXXX\b|\bHACK\b|\bNotImplementedException\b")]
    private static partial Regex LeftForLater();

    [GeneratedRegex(@"\[(Fact|Theory|InlineData)\(.*\bSkip\s*=|\bAssert\.Skip")]
    private static partial Regex SkippedTest();
}
