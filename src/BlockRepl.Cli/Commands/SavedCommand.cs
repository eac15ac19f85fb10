using System.CommandLine;
using System.Runtime.InteropServices;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Saving;

namespace BlockRepl.Cli.Commands;

/// <summary><c>saved list|show|restore|export</c>: what a node saved before a split brain's resolution overwrote it.</summary>
internal static class SavedCommand
{
    /// <summary>Creates the verb and its verbs.</summary>
    public static Command Create(CliConsole console)
    {
        var command = new Command("saved", "Changes that were saved before the resolution of a split brain");
        command.Subcommands.Add(CreateList(console));
        command.Subcommands.Add(CreateShow(console));
        command.Subcommands.Add(CreateRestore(console));
        command.Subcommands.Add(CreateExport(console));
        return command;
    }

    private static Command CreateList(CliConsole console)
    {
        var directory = new Option<string>("--dir")
        {
            Description = $"Directory of the save files, the configuration's save-dir ({SplitBrainOptions.DefaultSaveDirectory})",
            HelpName = "DIR",
            DefaultValueFactory = _ => SplitBrainOptions.DefaultSaveDirectory,
        };
        var list = new Command("list", "A line for each save file") { directory };
        list.SetAction(parse => ResourceCommands.Print(console, [SavedBlocks.List(Path.GetFullPath(parse.GetValue(directory)!))]));
        return list;
    }

    private static Command CreateShow(CliConsole console)
    {
        var file = FileArgument();
        var show = new Command("show", "What is in a save file, and whether its checksums are right") { file };
        show.SetAction(parse => ResourceCommands.Print(console, [SavedBlocks.Show(parse.GetValue(file)!)]));
        return show;
    }

    private static Command CreateRestore(CliConsole console)
    {
        var file = FileArgument();
        var target = new Option<string>("--to") { Description = "Image or device to write into; a missing image is made", HelpName = "IMAGE", Required = true };
        var force = NameArgument.Flag("--force", "Also into the disk of a volume, past its node");
        var restore = new Command("restore", "Write the saved blocks at their places") { file, target, force };
        restore.SetAction(parse => ResourceCommands.Print(
            console, [SavedBlocks.Restore(parse.GetValue(file)!, Path.GetFullPath(parse.GetValue(target)!), parse.GetValue(force))]));
        return restore;
    }

    private static Command CreateExport(CliConsole console)
    {
        var file = FileArgument();
        var over = new Option<string?>("--over") { Description = "Image that the saved blocks are laid over; without it the rest is zeroes", HelpName = "IMAGE" };
        var socket = new Option<string>("--socket") { Description = "Unix socket to serve on", HelpName = "PATH", Required = true };
        var export = new Command("export", "Serve a save file read-only over NBD until interrupted") { file, over, socket };
        export.SetAction((parse, cancellationToken) => Task.Run(
            () =>
            {
                using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                void OnSignal(PosixSignalContext context)
                {
                    context.Cancel = true;
                    stop.Cancel();
                }

                using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
                using var ended = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
                var result = SavedBlocks.Export(
                    parse.GetValue(file)!, parse.GetValue(over), Path.GetFullPath(parse.GetValue(socket)!),
                    uri =>
                    {
                        console.Out.WriteLine(uri);
                        console.Out.Flush();
                    },
                    stop.Token);
                return ResourceCommands.Print(console, [result]);
            },
            CancellationToken.None));
        return export;
    }

    private static Argument<string> FileArgument() => new("FILE") { Description = "The save file" };
}
