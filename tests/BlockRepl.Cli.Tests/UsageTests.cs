namespace BlockRepl.Cli.Tests;

/// <summary>Exit status 2, found before anything is contacted.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData("", "no verb is given", "see blockrepl --help")]
    [InlineData("primry mail", "\"primry\" is not a verb; did you mean \"primary\"?", "see blockrepl --help")]
    [InlineData("primary", "Required argument 'RESOURCE' missing for command: 'primary'.", "see blockrepl primary --help")]
    [InlineData("primary mail web", "\"web\" is one argument too many for primary", "see blockrepl primary --help")]
    [InlineData("primary mail/spool", "\"mail/spool\" is a volume; this verb works on the whole resource mail", "see blockrepl primary --help")]
    [InlineData("primary ma*il", "\"ma*il\" is neither RESOURCE nor RESOURCE/VOLUME nor all", "see blockrepl primary --help")]
    [InlineData("primary mail --frce", "\"--frce\" is not an option of primary; did you mean \"--force\"?", "see blockrepl primary --help")]
    [InlineData("connect mail --force", "\"--force\" is not an option of connect", "see blockrepl connect --help")]
    [InlineData("status --no-such-option", "\"--no-such-option\" is not an option of status", "see blockrepl status --help")]
    [InlineData("wait-sync --timeout soon", "--timeout: \"soon\" is not a time; write it like 500ms, 30s or 2m", "see blockrepl wait-sync --help")]
    [InlineData("certs", "certs needs a verb: init, node", "see blockrepl certs --help")]
    [InlineData("certs node", "Required argument 'NAME' missing for command: 'node'.", "see blockrepl certs node --help")]
    [InlineData("certs node ../x", "node name \"../x\" may only have letters, digits, '.', '_' and '-'", "see blockrepl certs node --help")]
    [InlineData("device", "device needs a verb: attach, detach, list", "see blockrepl device --help")]
    [InlineData("device attach mail", "\"mail\" is not RESOURCE/VOLUME", "see blockrepl device attach --help")]
    [InlineData("device attach mail/spool /dev/sda", "\"/dev/sda\" is not /dev/nbdN", "see blockrepl device attach --help")]
    [InlineData("device attach mail/spool --hold 5", "--hold: \"5\" is not a time from 1s to 24h; write it like 60s or 10m", "see blockrepl device attach --help")]
    [InlineData("device attach mail/spool /dev/nbd0 --via fuse", "with --via fuse the loop device is chosen by the kernel, and no I/O is held", "see blockrepl device attach --help")]
    [InlineData("device detach mail", "\"mail\" is not RESOURCE/VOLUME", "see blockrepl device detach --help")]
    [InlineData("status --config", "Required argument missing for option: '--config'.", "see blockrepl status --help")]
    [InlineData("status @file", "\"@file\" is neither RESOURCE nor RESOURCE/VOLUME nor all", "see blockrepl status --help")]
    public async Task A_wrong_command_line_is_named_without_a_daemon(string line, string message, string hint)
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, output, error) = await harness.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal((2, "", $"{message}\n{hint}\n"), (code, output, error));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("primary --help")]
    [InlineData("--version")]
    public async Task Help_is_no_error(string line)
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, output, error) = await harness.RunAsync(line.Split(' '));

        Assert.Equal((0, ""), (code, error));
        Assert.NotEqual("", output);
    }

    [Fact]
    public async Task Every_verb_of_the_contract_is_there()
    {
        await using var harness = Harness.WithoutDaemon();
        var (_, output, _) = await harness.RunAsync("--help");
        foreach (var verb in new[]
        {
            "daemon", "create-md", "wipe-md", "up", "down", "attach", "detach", "connect", "disconnect", "adjust", "primary",
            "secondary", "outdate", "invalidate", "invalidate-remote", "new-current-uuid", "verify", "pause-sync", "resume-sync",
            "status", "events", "role", "dstate", "cstate", "show-gi", "get-gi", "wait-connect", "wait-sync", "wait-primary", "certs",
        })
        {
            Assert.Matches($"(?m)^  {verb}( |$)", output);
        }
    }
}
