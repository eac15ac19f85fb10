using System.CommandLine;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>The verbs that ask the daemon to change something and print what it answers.</summary>
internal static class ResourceCommands
{
    /// <summary>All of them.</summary>
    public static IEnumerable<Command> Create(GlobalOptions global, CliConsole console)
    {
        Option<bool> Force(string description) => NameArgument.Flag("--force", description);
        Command Verb(ControlVerb verb, string description, params IReadOnlyList<Option<bool>> flags) =>
            CreateVerb(global, console, verb, description, flags);

        yield return Verb(ControlVerb.Up, "Attach the disks, open the exports and connect");
        yield return Verb(ControlVerb.Down, "Disconnect, close the exports and detach the disks");
        yield return Verb(ControlVerb.Attach, "Take a volume's disk into use; under a Primary that its peer serves it is resynced from there");
        yield return Verb(
            ControlVerb.Detach, "Stop using a volume's disk; on a Primary only while a peer in sync can serve", Force("Do not wait for requests that are in flight"));
        yield return Verb(ControlVerb.Connect, "Connect to the peer",
            NameArgument.Flag("--discard-my-data", "After a split brain: throw away what changed on this node"));
        yield return Verb(ControlVerb.Disconnect, "End the connection and stay StandAlone", Force("Do not ask the peer"));
        yield return Verb(ControlVerb.Adjust, "Apply a changed configuration",
            NameArgument.Flag("--dry-run", "Say what would be done"), Force("Hang up on NBD clients of what is removed"));
        yield return Verb(ControlVerb.Primary, "Become Primary",
            Force("Take this node's data for the right data, whatever the peer has"));
        yield return Verb(ControlVerb.Secondary, "Become Secondary", Force("Hang up on NBD clients that are connected"));
        yield return Verb(ControlVerb.Outdate, "Mark this node's data Outdated");
        yield return Verb(ControlVerb.Invalidate, "Throw this node's data away and sync it from the peer");
        yield return Verb(ControlVerb.InvalidateRemote, "Throw the peer's data away and sync it from this node");
        yield return Verb(ControlVerb.NewCurrentUuid, "Begin a new data generation",
            NameArgument.Flag("--clear-bitmap", "The disks are known to be equal: skip the initial sync"));
        yield return VerifyCommand.Create(global, console);
        yield return Verb(ControlVerb.PauseSync, "Pause the resync");
        yield return Verb(ControlVerb.ResumeSync, "Let the resync go on");
        yield return Verb(ControlVerb.SuspendIo, "Hold client I/O");
        yield return Verb(ControlVerb.ResumeIo, "Let client I/O go on");
        yield return CreateNote(global, console);
    }

    private static Command CreateNote(GlobalOptions global, CliConsole console)
    {
        var name = NameArgument.Create(required: true, takesVolume: false);
        var text = new Option<string?>("--text") { Description = "The sentence; without it the note is taken away", HelpName = "TEXT" };
        var command = new Command(ControlVerbs.NameOf(ControlVerb.Note), "Keep a sentence beside the status for whoever looks next") { name, text };
        command.SetAction((parse, cancellationToken) =>
        {
            var options = new ControlOptions { Text = parse.GetValue(text) };
            var response = global.Connect(parse).Execute(new ControlRequest(ControlVerb.Note, parse.GetValue(name)!, options), cancellationToken);
            return Task.FromResult(Print(console, response.Results));
        });
        return command;
    }

    private static Command CreateVerb(
        GlobalOptions global, CliConsole console, ControlVerb verb, string description, IReadOnlyList<Option<bool>> flags)
    {
        var name = NameArgument.Create(required: verb != ControlVerb.Adjust, ControlVerbs.TakesVolume(verb));
        var command = new Command(ControlVerbs.NameOf(verb), description) { name };
        foreach (var flag in flags)
            command.Options.Add(flag);
        command.SetAction((parse, cancellationToken) =>
        {
            bool IsSet(string flag) => flags.FirstOrDefault(f => f.Name == flag) is { } option && parse.GetValue(option);
            var options = new ControlOptions
            {
                Force = IsSet("--force"),
                DiscardMyData = IsSet("--discard-my-data"),
                ClearBitmap = IsSet("--clear-bitmap"),
                DryRun = IsSet("--dry-run"),
            };
            var response = global.Connect(parse).Execute(new ControlRequest(verb, parse.GetValue(name)!, options), cancellationToken);
            return Task.FromResult(Print(console, response.Results));
        });
        return command;
    }

    /// <summary>Prints answers to standard output and refusals to standard error; the first failure's status counts.</summary>
    public static int Print(CliConsole console, IEnumerable<ControlResult> results)
    {
        var code = ExitCodes.Done;
        foreach (var result in results)
        {
            if (result.ExitCode != ExitCodes.Done)
            {
                CliApplication.Report(console, result);
                code = code == ExitCodes.Done ? result.ExitCode : code;
            }
            else if (!string.IsNullOrEmpty(result.Message))
            {
                console.Out.WriteLine(result.Message);
            }
        }
        return code;
    }
}
