using System.CommandLine;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>The verbs that work on metadata without a daemon.</summary>
internal static class MetadataCommands
{
    /// <summary>All of them.</summary>
    public static IEnumerable<Command> Create(GlobalOptions global, CliConsole console, CliServices services)
    {
        yield return Offline(global, console, "create-md", "Create metadata, and disks that are files and do not exist yet",
            "Write over existing metadata, and over data where internal metadata goes",
            (configuration, place, volume, node, force) => new VolumeCreator(services.CreateMetadataTool()).Create(configuration, place, volume, node, force));
        yield return Offline(global, console, "upgrade-md", "Give metadata the newest format version; older releases then refuse the disk",
            null, (_, place, _, _, _) => services.CreateMetadataTool().Upgrade(place));
        yield return Restore(global, console, services);
        yield return Offline(global, console, "wipe-md", "Destroy metadata; the data stays",
            "Really do it: what the node knows about its peer is lost",
            (_, place, _, _, force) => force
                ? services.CreateMetadataTool().Wipe(place)
                : new ControlResult(ExitCodes.Usage, $"wipe-md destroys the metadata of {place}, with all it knows about its peer", "say --force if that is meant"));
        yield return Look(global, console, "dump-md", "Print what the metadata holds, and what is wrong with each copy; also beside a running daemon",
            NameArgument.Flag("--json", "A line of JSON a volume"), (place, json) => services.CreateMetadataTool().Dump(place, json));
        yield return Look(global, console, "verify-md", "Check every copy and checksum of the metadata; also beside a running daemon",
            null, (place, _) => services.CreateMetadataTool().Verify(place));
    }

    private static Command Restore(GlobalOptions global, CliConsole console, CliServices services)
    {
        var name = NameArgument.Create(required: true, takesVolume: true);
        var file = new Argument<string>("FILE") { Description = "What dump-md printed for this volume on this node; - is standard input" };
        var force = NameArgument.Flag("--force", "Write over existing metadata, and over data where internal metadata goes");
        var command = new Command("restore-md", "Write metadata from a dump; what was written to the volume since is not in it") { name, file, force };
        command.SetAction(parse =>
        {
            string path = parse.GetValue(file)!;
            string text;
            try
            {
                text = path == "-" ? Console.In.ReadToEnd() : File.ReadAllText(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return ResourceCommands.Print(console, [ControlResult.Failed($"{path} cannot be read: {e.Message}", "name a file that dump-md was written to")]);
            }

            bool isForced = parse.GetValue(force);
            var (configuration, node) = global.Load(parse);
            VolumePlace[] places = [.. Named(configuration, parse.GetValue(name)!).Select(v => Place(configuration, v.Resource, v.Volume, node))];
            return places.Length == 1
                ? ResourceCommands.Print(console, [services.CreateMetadataTool().Restore(places[0], text, isForced)])
                : ResourceCommands.Print(console, [new ControlResult(ExitCodes.Usage, "restore-md takes one volume: a dump is of one", "name it as RESOURCE/VOLUME")]);
        });
        return command;
    }

    private static Command Look(
        GlobalOptions global, CliConsole console, string verb, string description, Option<bool>? json, Func<VolumePlace, bool, ControlResult> work)
    {
        var name = NameArgument.Create(required: false, takesVolume: true);
        var command = new Command(verb, description) { name };
        if (json is not null)
            command.Options.Add(json);
        command.SetAction(parse => ResourceCommands.Print(
            console, OnEach(global, parse, name, place => work(place, json is not null && parse.GetValue(json)))));
        return command;
    }

    /// <summary>Does something with each volume that a command line names, where it lies on this node.</summary>
    public static IEnumerable<ControlResult> OnEach(GlobalOptions global, ParseResult parse, Argument<string> name, Func<VolumePlace, ControlResult> work)
    {
        var (configuration, node) = global.Load(parse);
        return Named(configuration, parse.GetValue(name)!).Select(v => work(Place(configuration, v.Resource, v.Volume, node)));
    }

    private static Command Offline(
        GlobalOptions global, CliConsole console, string verb, string description, string? forceDescription,
        Func<ClusterConfiguration, VolumePlace, VolumeConfiguration, string, bool, ControlResult> work)
    {
        var name = NameArgument.Create(required: true, takesVolume: true);
        var force = NameArgument.Flag("--force", forceDescription ?? "");
        var command = new Command(verb, description) { name };
        if (forceDescription is not null)
            command.Options.Add(force);
        command.SetAction(parse =>
        {
            var (configuration, node) = global.Load(parse);
            var results = Named(configuration, parse.GetValue(name)!).Select(v =>
                work(configuration, Place(configuration, v.Resource, v.Volume, node), v.Volume, node, forceDescription is not null && parse.GetValue(force)));
            return ResourceCommands.Print(console, [.. results]);
        });
        return command;
    }

    private static VolumePlace Place(ClusterConfiguration configuration, ResourceConfiguration resource, VolumeConfiguration volume, string node) =>
        new(resource.Name, volume.Name, volume.Disk.For(node), volume.MetaDisk.For(node), node,
            [.. configuration.PeersOf(node).Select(p => p.Name)], resource.ActivityLogExtents);

    /// <summary>The volumes that a name means; refuses with 10 when the configuration has none.</summary>
    private static IReadOnlyList<(ResourceConfiguration Resource, VolumeConfiguration Volume)> Named(ClusterConfiguration configuration, string text)
    {
        if (!ControlName.TryParse(text, out var name) || name.Resource is null)
            return [.. configuration.Resources.SelectMany(r => r.Volumes.Select(v => (r, v)))];
        if (configuration.FindResource(name.Resource) is not { } resource)
            throw new CliRefusalException(UndefinedName.Resource(name.Resource, configuration.Resources.Select(r => r.Name)));
        if (name.Volume is null)
            return [.. resource.Volumes.Select(v => (resource, v))];
        return resource.Volumes.FirstOrDefault(v => v.Name == name.Volume) is { } volume
            ? [(resource, volume)]
            : throw new CliRefusalException(UndefinedName.Volume(name.Resource, name.Volume, resource.Volumes.Select(v => v.Name)));
    }
}
