using System.CommandLine;
using BlockRepl.Cli.Output;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary><c>events</c>: everything that exists, then every change, a line each.</summary>
internal static class EventsCommand
{
    /// <summary>Creates the verb.</summary>
    public static Command Create(GlobalOptions global, CliConsole console)
    {
        var name = NameArgument.Create(required: false, takesVolume: false);
        var now = NameArgument.Flag("--now", "Print what exists and stop");
        var json = NameArgument.Flag("--json", "Print an object a line");
        var command = new Command("events", "Print what exists, then each change as it happens") { name, now, json };
        command.SetAction((parse, cancellationToken) =>
        {
            var asJson = parse.GetValue(json);
            foreach (var line in global.Connect(parse).Events(parse.GetValue(name)!, parse.GetValue(now), cancellationToken))
            {
                console.Out.WriteLine(asJson ? line : EventText.Format(line));
                console.Out.Flush();
            }
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }
}
