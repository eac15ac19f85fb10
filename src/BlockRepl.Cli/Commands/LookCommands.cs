using System.CommandLine;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>The verbs that print a word or two for a script: <c>role</c>, <c>dstate</c>, <c>cstate</c>.</summary>
internal static class LookCommands
{
    /// <summary>All of them.</summary>
    public static IEnumerable<Command> Create(GlobalOptions global, CliConsole console)
    {
        yield return Look(global, console, "role", "Print Primary or Secondary, a line a resource", false,
            (resource, _) => [resource.Role.ToString()]);
        yield return Look(global, console, "dstate", "Print the disk states, mine/peer, a line a volume", true,
            (resource, volume) => resource.Volumes.Where(v => volume is null || v.Name == volume)
                .Select(own => string.Join('/', [
                    own.DiskState.ToString(),
                    .. resource.Connections.Select(c => c.Volumes.First(v => v.Name == own.Name).PeerDiskState.ToString())])));
        yield return Look(global, console, "cstate", "Print the connection states, a line a peer", false,
            (resource, _) => resource.Connections.Select(c => c.ConnectionState.ToString()));
    }

    private static Command Look(
        GlobalOptions global, CliConsole console, string verb, string description, bool takesVolume,
        Func<ResourceStatus, string?, IEnumerable<string>> lines)
    {
        var name = NameArgument.Create(required: false, takesVolume);
        var command = new Command(verb, description) { name };
        command.SetAction((parse, cancellationToken) =>
        {
            var target = parse.GetValue(name)!;
            var volume = ControlName.TryParse(target, out var wanted) ? wanted.Volume : null;
            foreach (var resource in global.Connect(parse).Status(target, cancellationToken))
            {
                foreach (var line in lines(resource, volume))
                    console.Out.WriteLine(line);
            }
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }
}
