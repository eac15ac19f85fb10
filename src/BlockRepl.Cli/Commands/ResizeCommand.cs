using System.CommandLine;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>The verb <c>resize</c>: online it asks the daemon; offline it says where the metadata of a disk is that grew while no daemon had it.</summary>
internal static class ResizeCommand
{
    /// <summary>The command.</summary>
    public static Command Create(GlobalOptions global, CliConsole console, CliServices services)
    {
        var name = NameArgument.Create(required: true, takesVolume: true);
        var size = Size("--size", "Serve this much, like 20GiB; without it all that both disks hold");
        var oldSize = Size("--old-size", "With --offline: the size that the disk had before it grew");
        var assumeClean = NameArgument.Flag("--assume-clean", "What is new is the same on both nodes: copy nothing");
        var offline = NameArgument.Flag("--offline", "Without a daemon: the disk has grown; lets it be attached again");
        var command = new Command("resize", "Take up the disks' new size") { name, size, assumeClean, offline, oldSize };
        command.Validators.Add(result =>
        {
            bool isOffline = result.GetValue(offline);
            if (isOffline != (result.GetResult(oldSize) is not null))
                result.AddError("--offline and --old-size go together");
            if (isOffline && (result.GetResult(size) is not null || result.GetValue(assumeClean)))
                result.AddError("--size and --assume-clean are for a running daemon, not for --offline");
        });
        command.SetAction((parse, cancellationToken) =>
        {
            if (parse.GetValue(offline))
            {
                _ = Units.TryParseSize(parse.GetValue(oldSize)!, out var before);
                return Task.FromResult(ResourceCommands.Print(
                    console, MetadataCommands.OnEach(global, parse, name, place => services.CreateMetadataTool().HasGrown(place, before))));
            }

            long bytes = 0;
            if (parse.GetValue(size) is { } text)
                _ = Units.TryParseSize(text, out bytes);
            var options = new ControlOptions { SizeBytes = bytes, AssumeClean = parse.GetValue(assumeClean) };
            var response = global.Connect(parse).Execute(new ControlRequest(ControlVerb.Resize, parse.GetValue(name)!, options), cancellationToken);
            return Task.FromResult(ResourceCommands.Print(console, response.Results));
        });
        return command;
    }

    private static Option<string?> Size(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = "SIZE" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!Units.TryParseSize(result.Tokens[0].Value, out var bytes) || bytes <= 0))
                result.AddError($"{name}: \"{result.Tokens[0].Value}\" is not a size; write bytes, or KiB, MiB, GiB or TiB, like 64MiB");
        });
        return option;
    }
}
