using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Tests.Control;

namespace BlockRepl.Cli.Tests;

public sealed class ResourceCommandTests
{
    [Theory]
    [InlineData("primary mail --force", ControlVerb.Primary, null)]
    [InlineData("--force primary mail", ControlVerb.Primary, null)]
    [InlineData("primary --force mail", ControlVerb.Primary, null)]
    [InlineData("--node beta --force --config=/nowhere detach mail/spool", ControlVerb.Detach, "spool")]
    public async Task Options_may_stand_anywhere(string line, ControlVerb verb, string? volume)
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        var (code, output, error) = await harness.RunAsync(line.Split(' '));

        Assert.Equal((0, "", ""), (code, output, error));
        Assert.Equal([new ControlCommand(verb, "mail", volume, new ControlOptions { Force = true })], harness.Target.Commands);
    }

    [Theory]
    [InlineData("connect mail --discard-my-data", ControlVerb.Connect)]
    [InlineData("new-current-uuid mail --clear-bitmap", ControlVerb.NewCurrentUuid)]
    [InlineData("verify mail --repair", ControlVerb.Verify)]
    [InlineData("adjust mail --dry-run", ControlVerb.Adjust)]
    public async Task Each_verb_carries_its_option(string line, ControlVerb verb)
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        await harness.RunAsync(line.Split(' '));

        var command = Assert.Single(harness.Target.Commands);
        Assert.Equal(verb, command.Verb);
        Assert.Equal(
            (line.Contains("discard", StringComparison.Ordinal), line.Contains("clear", StringComparison.Ordinal),
                line.Contains("repair", StringComparison.Ordinal), line.Contains("dry-run", StringComparison.Ordinal), false),
            (command.Options.DiscardMyData, command.Options.ClearBitmap, command.Options.Repair, command.Options.DryRun, command.Options.Force));
    }

    [Theory]
    [InlineData("note mail --text sentence", "sentence")]
    [InlineData("--text sentence note mail", "sentence")]
    [InlineData("note mail", null)]
    public async Task A_note_is_left_or_taken_away(string line, string? text)
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());

        Assert.Equal((0, "", ""), await harness.RunAsync(line.Split(' ')));
        Assert.Equal([new ControlCommand(ControlVerb.Note, "mail", null, new ControlOptions { Text = text })], harness.Target.Commands);
    }

    [Theory]
    [InlineData("verify mail/spool --repair=beta --start 4096 --stop=1MiB", true, "beta", 4096, 1 << 20)]
    [InlineData("--repair verify mail/spool --start 0", true, null, 0, null)]
    [InlineData("verify --repair mail/spool", true, null, null, null)]
    [InlineData("verify mail/spool", false, null, null, null)]
    public async Task Verify_says_what_to_compare_and_from_where_to_repair(string line, bool repair, string? from, object? start, object? stop)
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        Assert.Equal(0, (await harness.RunAsync(line.Split(' '))).Code);
        var wanted = new ControlOptions
        {
            Repair = repair,
            RepairFrom = from,
            StartBytes = start is null ? null : Convert.ToInt64(start, null),
            StopBytes = stop is null ? null : Convert.ToInt64(stop, null),
        };
        Assert.Equal([new ControlCommand(ControlVerb.Verify, "mail", "spool", wanted)], harness.Target.Commands);
    }

    [Theory]
    [InlineData("--start", "5 apples")]
    [InlineData("--stop", "-1")]
    public async Task Verify_refuses_what_is_no_size(string option, string size)
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        var (code, _, error) = await harness.RunAsync("verify", "mail", option, size);
        Assert.Equal(ExitCodes.Usage, code);
        Assert.Contains(option, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ExitCodes.Failed)]
    [InlineData(ExitCodes.StateRefused)]
    [InlineData(ExitCodes.NoLocalDisk)]
    [InlineData(ExitCodes.NoUpToDateData)]
    public async Task A_refusal_is_two_lines_and_its_exit_status(int exitCode)
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        harness.Target.Answer = _ => new ControlResult(exitCode, "mail cannot become Primary: beta is Primary", "run \"blockrepl secondary mail\" on beta first");

        Assert.Equal(
            (exitCode, "", "mail cannot become Primary: beta is Primary\nrun \"blockrepl secondary mail\" on beta first\n"),
            await harness.RunAsync("primary", "mail"));
    }

    [Fact]
    public async Task A_bug_in_the_daemon_is_42()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        harness.Target.Answer = _ => throw new InvalidOperationException("impossible");
        var (code, _, error) = await harness.RunAsync("up", "all");

        Assert.Equal(ExitCodes.Bug, code);
        Assert.StartsWith("bug: InvalidOperationException: impossible\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bug_in_the_command_is_42()
    {
        await using var harness = Harness.WithoutDaemon();
        harness.Metadata.Answer = _ => throw new InvalidOperationException("impossible");
        Directory.CreateDirectory(harness.Directory.File("a"));
        var (code, _, error) = await harness.RunAsync("create-md", "mail/spool");

        Assert.Equal(ExitCodes.Bug, code);
        Assert.StartsWith("bug: System.InvalidOperationException: impossible", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_daemon_lacks_it_says()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        harness.Target.Answer = c => ControlResult.NotImplemented(c.Verb);
        var (code, _, error) = await harness.RunAsync("pause-sync", "mail");

        Assert.Equal(ExitCodes.Failed, code);
        Assert.StartsWith("pause-sync is not implemented yet", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_is_printed()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        harness.Target.Answer = _ => ControlResult.Answer("0:0:0:0");
        Assert.Equal((0, "0:0:0:0\n", ""), await harness.RunAsync("get-gi", "mail"));
    }

    [Fact]
    public async Task A_resource_that_is_not_defined_is_10()
    {
        await using var harness = await Harness.StartAsync(Statuses.Mail());
        foreach (var verb in new[] { "up", "role", "status", "events", "wait-sync" })
        {
            Assert.Equal(
                (10, "", "resource \"post\" is not defined in the configuration\ndefined: mail\n"), await harness.RunAsync(verb, "post"));
        }
        Assert.Empty(harness.Target.Commands);
    }
}
