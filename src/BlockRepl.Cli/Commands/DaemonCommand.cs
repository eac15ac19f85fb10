using System.CommandLine;
using BlockRepl.Daemon;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary><c>daemon</c>: the service itself, in the foreground.</summary>
internal static class DaemonCommand
{
    /// <summary>Creates the verb.</summary>
    public static Command Create(GlobalOptions global, CliConsole console, CliServices services)
    {
        var noUp = NameArgument.Flag("--no-up", "Leave every resource down");
        var command = new Command("daemon", "Run the service in the foreground, logging to standard error") { noUp };
        command.SetAction((parse, cancellationToken) => DaemonHost.RunAsync(new DaemonOptions
        {
            ConfigurationFile = global.ConfigurationFile(parse),
            Node = global.Node(parse),
            RunDirectory = global.RunDirectory(parse),
            NoUp = parse.GetValue(noUp),
            CreateTarget = services.CreateTarget,
            Warnings = services.PrepareDaemonProcess(),
            Error = console.Error,
        }, cancellationToken));
        return command;
    }
}
