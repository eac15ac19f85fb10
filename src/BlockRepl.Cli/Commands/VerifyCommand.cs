using System.CommandLine;
using System.CommandLine.Parsing;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary><c>verify RESOURCE[/VOLUME] [--repair[=NODE]] [--start BYTES] [--stop BYTES]</c>.</summary>
internal static class VerifyCommand
{
    /// <summary><c>--repair=NODE</c> as the parser sees it; the spelling with "=" is taken apart first, so that a bare <c>--repair</c> never eats the name behind it.</summary>
    public const string RepairFromOption = "--repair-from";

    /// <summary>The verb.</summary>
    public static Command Create(GlobalOptions global, CliConsole console)
    {
        var name = NameArgument.Create(required: true, takesVolume: true);
        var repair = NameArgument.Flag("--repair", "Write over what differs, from the side that is right; --repair=NODE: from that node");
        var from = new Option<string?>(RepairFromOption) { Description = "As --repair=NODE", HelpName = "NODE" };
        var start = SizeOption("--start", "Begin here; else where the last comparison was stopped, or at the beginning");
        var stop = SizeOption("--stop", "End here; else at the end of the volume");
        var command = new Command("verify", "Compare the data with the peer's, online") { name, repair, from, start, stop };
        command.SetAction((parse, cancellationToken) =>
        {
            var options = new ControlOptions
            {
                Repair = parse.GetValue(repair) || parse.GetValue(from) is not null,
                RepairFrom = parse.GetValue(from),
                StartBytes = parse.GetValue(start),
                StopBytes = parse.GetValue(stop),
            };
            var response = global.Connect(parse).Execute(new ControlRequest(ControlVerb.Verify, parse.GetValue(name)!, options), cancellationToken);
            return Task.FromResult(ResourceCommands.Print(console, response.Results));
        });
        return command;
    }

    /// <summary>Takes <c>--repair=NODE</c> apart.</summary>
    public static IEnumerable<string> Expand(string argument)
    {
        const string Spelled = "--repair=";
        return argument.StartsWith(Spelled, StringComparison.Ordinal) ? [RepairFromOption, argument[Spelled.Length..]] : [argument];
    }

    private static Option<long?> SizeOption(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "BYTES",
        CustomParser = result => ParseSize(result, name),
    };

    private static long? ParseSize(ArgumentResult result, string name)
    {
        if (Units.TryParseSize(result.Tokens[0].Value, out long bytes))
            return bytes;
        result.AddError($"{name}: \"{result.Tokens[0].Value}\" is not a size: write 4096, 64MiB or 20GiB");
        return null;
    }
}
