using System.CommandLine;
using System.Text.Json;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>
/// The verbs that print a word or two for a script: <c>role</c>, <c>dstate</c>, <c>cstate</c>. They pick their words out of the
/// JSON as it stands: making objects of it takes as long as starting the runtime, and a cluster manager asks every few seconds.
/// </summary>
internal static class LookCommands
{
    /// <summary>All of them.</summary>
    public static IEnumerable<Command> Create(GlobalOptions global, CliConsole console)
    {
        yield return Look(global, console, "role", "Print Primary or Secondary, a line a resource", false,
            (resource, _) => [Word(resource, "role")]);
        yield return Look(global, console, "dstate", "Print the disk states, mine/peer, a line a volume", true, DiskStates);
        yield return Look(global, console, "cstate", "Print the connection states, a line a peer", false,
            (resource, _) => resource.GetProperty("connections").EnumerateArray().Select(c => Word(c, "connection_state")));
    }

    private static IEnumerable<string> DiskStates(JsonElement resource, string? wanted)
    {
        foreach (var own in resource.GetProperty("volumes").EnumerateArray())
        {
            var name = Word(own, "name");
            if (wanted is not null && wanted != name)
                continue;
            var line = Word(own, "disk_state");
            foreach (var connection in resource.GetProperty("connections").EnumerateArray())
            {
                foreach (var peer in connection.GetProperty("volumes").EnumerateArray())
                {
                    if (Word(peer, "name") == name)
                        line += "/" + Word(peer, "peer_disk_state");
                }
            }
            yield return line;
        }
    }

    private static string Word(JsonElement element, string key) => element.GetProperty(key).GetString() ?? "";

    private static Command Look(
        GlobalOptions global, CliConsole console, string verb, string description, bool takesVolume,
        Func<JsonElement, string?, IEnumerable<string>> lines)
    {
        var name = NameArgument.Create(required: false, takesVolume);
        var command = new Command(verb, description) { name };
        command.SetAction((parse, cancellationToken) =>
        {
            var target = parse.GetValue(name)!;
            var volume = ControlName.TryParse(target, out var wanted) ? wanted.Volume : null;
            using var status = JsonDocument.Parse(global.Connect(parse).StatusJson(target, cancellationToken));
            foreach (var resource in status.RootElement.EnumerateArray())
            {
                foreach (var line in lines(resource, volume))
                    console.Out.WriteLine(line);
            }
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }
}
