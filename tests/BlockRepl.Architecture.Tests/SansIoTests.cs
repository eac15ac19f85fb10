using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace BlockRepl.Architecture.Tests;

/// <summary>
/// Format, Protocol, Nbd and Core compute and nothing else, so that the same code runs under a simulated disk, network and clock.
/// That a banned call really breaks the build is shown by tests/e2e/banned-symbols.sh, which builds some.
/// </summary>
public sealed partial class SansIoTests
{
    private static readonly string[] SansIoProjects =
        ["BlockRepl.Core", "BlockRepl.Format", "BlockRepl.Nbd", "BlockRepl.Protocol"];

    /// <summary>The ways out of a sans-IO project: bytes, sockets, threads, locks, time and chance.</summary>
    private static readonly string[] BannedAtLeast =
    [
        "N:System.IO", "N:System.Net", "N:System.Net.Sockets", "N:System.Threading.Tasks",
        "T:System.Threading.Thread", "T:System.Threading.Timer", "T:System.Threading.PeriodicTimer", "T:System.Threading.ThreadPool",
        "T:System.Threading.Monitor", "T:System.Threading.Lock", "T:System.Threading.Mutex", "T:System.Threading.SemaphoreSlim",
        "T:System.Threading.Semaphore", "T:System.Threading.EventWaitHandle", "T:System.Threading.ManualResetEventSlim",
        "T:System.Threading.ReaderWriterLockSlim", "T:System.Threading.SpinWait",
        "T:System.Random", "M:System.Guid.NewGuid", "T:System.Security.Cryptography.RandomNumberGenerator",
        "T:System.Diagnostics.Stopwatch", "T:System.Diagnostics.Process", "T:System.TimeProvider",
        "P:System.DateTime.Now", "P:System.DateTime.UtcNow", "P:System.DateTime.Today",
        "P:System.DateTimeOffset.Now", "P:System.DateTimeOffset.UtcNow",
        "T:System.Environment", "T:System.Console",
    ];

    [Fact]
    public void Exactly_the_computing_projects_are_sans_io()
    {
        Assert.Equal(SansIoProjects, ProjectFile.Under("src").Where(p => p.IsSansIo).Select(p => p.Name));
    }

    [Fact]
    public void Sans_io_projects_use_no_package_and_no_framework_beyond_the_base_library()
    {
        var wrong = ProjectFile.Under("src").Where(p => p.IsSansIo)
            .SelectMany(p => p.OutsideReferences.Select(r => $"{p.Name}: {r}"));
        Assert.Empty(wrong);
    }

    [Fact]
    public void Hard_part_25_the_ban_covers_bytes_sockets_threads_locks_time_and_chance()
    {
        var banned = RepoTree.Read("src/BannedSymbols.txt").Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => l.Split(';')[0].Trim()).ToHashSet(StringComparer.Ordinal);
        Assert.DoesNotContain(BannedAtLeast, symbol => !banned.Contains(symbol));
    }

    [Fact]
    public void Every_ban_says_what_to_do_instead()
    {
        var silent = RepoTree.Read("src/BannedSymbols.txt").Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(l => !l.Contains(';', StringComparison.Ordinal) || l.Split(';')[1].Trim().Length == 0);
        Assert.Empty(silent);
    }

    [Fact]
    public void The_analyzer_reads_the_ban_in_every_sans_io_project_and_its_finding_is_an_error()
    {
        var group = XDocument.Parse(RepoTree.Read("Directory.Build.targets")).Descendants("ItemGroup")
            .Single(g => (g.Attribute("Condition")?.Value ?? "").Contains("$(SansIo)", StringComparison.Ordinal));
        Assert.Contains(group.Elements("PackageReference"),
            e => e.Attribute("Include")?.Value == "Microsoft.CodeAnalysis.BannedApiAnalyzers");
        Assert.Contains(group.Elements("AdditionalFiles"),
            e => (e.Attribute("Include")?.Value ?? "").EndsWith("src/BannedSymbols.txt", StringComparison.Ordinal));
        Assert.Contains("dotnet_diagnostic.RS0030.severity = error", RepoTree.Read(".editorconfig"), StringComparison.Ordinal);
    }

    [Fact]
    public void No_sans_io_project_silences_the_ban_or_takes_a_lock_by_keyword()
    {
        // The lock statement and await name no symbol that the analyzer could refuse.
        var wrong = SansIoProjects.SelectMany(p => RepoTree.Files("src/" + p, ".cs")).SelectMany(file => SourceRules.Matches(file, WaysAround()));
        Assert.Empty(wrong);
    }

    [GeneratedRegex(@"RS0030|^\s*lock \(|^[^/]*\b(await|async)\b|DllImport|LibraryImport")]
    private static partial Regex WaysAround();
}
