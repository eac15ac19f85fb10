using System.CommandLine;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>
/// <c>show-gi</c> and <c>get-gi</c>: asked of the daemon where one runs, because it knows more than the disk; read from the disk where none does.
/// </summary>
internal static class GenerationCommands
{
    /// <summary>Both of them.</summary>
    public static IEnumerable<Command> Create(GlobalOptions global, CliConsole console, CliServices services)
    {
        yield return Create(global, console, services, ControlVerb.ShowGi, "Explain the generation ids: what they say of each peer, and what a connection would come to");
        yield return Create(global, console, services, ControlVerb.GetGi, "Print the generation ids, a line a volume and peer");
    }

    private static Command Create(GlobalOptions global, CliConsole console, CliServices services, ControlVerb verb, string description)
    {
        var name = NameArgument.Create(required: false, takesVolume: true);
        var command = new Command(ControlVerbs.NameOf(verb), description) { name };
        command.SetAction((parse, cancellationToken) =>
        {
            ControlClient daemon = global.Connect(parse);
            IEnumerable<ControlResult> results = daemon.Exists
                ? daemon.Execute(new ControlRequest(verb, parse.GetValue(name)!, ControlOptions.None), cancellationToken).Results
                : MetadataCommands.OnEach(global, parse, name, place => services.CreateMetadataTool().Generations(place, explain: verb == ControlVerb.ShowGi));
            return Task.FromResult(ResourceCommands.Print(console, results));
        });
        return command;
    }
}
