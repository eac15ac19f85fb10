using System.Diagnostics;
using System.Globalization;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Tests.Control;

namespace BlockRepl.Cli.Tests.Demo;

/// <summary>The whole demonstration as a person starts it, a process of its own (G2, G5, G8).</summary>
public sealed class DemoTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task The_demonstration_succeeds_and_leaves_nothing_behind()
    {
        using var directory = new TemporaryDirectory();
        using var demo = Start(directory, "--seconds", "2");
        var output = demo.StandardOutput.ReadToEndAsync();
        var error = demo.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(Patience);
        await demo.WaitForExitAsync(deadline.Token);

        Assert.True(demo.ExitCode == ExitCodes.Done, $"exit status {demo.ExitCode}\n{await output}\n{await error}");
        Assert.Contains("Every acknowledged write survived", await output, StringComparison.Ordinal);
        Assert.Contains("1,073,377,280 bytes, all equal", await output, StringComparison.Ordinal);
        Assert.Equal("", await error);
        AssertNothingLeft(directory);
    }

    [Fact]
    public async Task Interrupted_under_load_it_ends_both_daemons_and_removes_its_files()
    {
        using var directory = new TemporaryDirectory();
        using var demo = Start(directory, "--seconds", "100");
        using var deadline = new CancellationTokenSource(Patience);
        List<string> lines = [];
        while (await demo.StandardOutput.ReadLineAsync(deadline.Token) is { } line)
        {
            lines.Add(line);
            if (line.Contains(" writes/s", StringComparison.Ordinal))
                break;
        }
        var daemons = Daemons(directory);
        Assert.True(daemons.Count == 2, string.Join('\n', lines));

        using (var kill = Process.Start("/bin/kill", ["-TERM", demo.Id.ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync(deadline.Token);
        var rest = await demo.StandardOutput.ReadToEndAsync(deadline.Token);
        await demo.WaitForExitAsync(deadline.Token);
        Assert.Equal(ExitCodes.Failed, demo.ExitCode);
        Assert.Contains("interrupted", rest, StringComparison.Ordinal);
        AssertNothingLeft(directory);
    }

    [Theory]
    [InlineData("0", "--seconds: 0 is not between 1 and 600")]
    [InlineData("601", "--seconds: 601 is not between 1 and 600")]
    public async Task A_load_of_no_time_or_for_ever_is_refused(string seconds, string refusal)
    {
        using var directory = new TemporaryDirectory();
        using var demo = Start(directory, "--seconds", seconds);
        var error = demo.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(Patience);
        await demo.WaitForExitAsync(deadline.Token);
        Assert.Equal(ExitCodes.Usage, demo.ExitCode);
        Assert.StartsWith(refusal, await error, StringComparison.Ordinal);
    }

    private static Process Start(TemporaryDirectory directory, params string[] options)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "blockrepl"), ["demo", .. options])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["TMPDIR"] = directory.Path;
        return Process.Start(start)!;
    }

    private static void AssertNothingLeft(TemporaryDirectory directory)
    {
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory.Path));
        Assert.Empty(Daemons(directory));
    }

    /// <summary>Processes whose environment names the test's directory as their run directory.</summary>
    private static List<string> Daemons(TemporaryDirectory directory) =>
        [.. Directory.EnumerateDirectories("/proc").Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0])).Where(p => IsDaemon(p, directory.Path))];

    private static bool IsDaemon(string process, string directory)
    {
        try
        {
            return File.ReadAllText($"{process}/environ").Contains($"BLOCKREPL_RUN_DIR={directory}", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // gone meanwhile, or another user's
        }
    }
}
