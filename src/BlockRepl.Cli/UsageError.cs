using System.CommandLine;
using System.CommandLine.Parsing;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>Says what is wrong with a command line.</summary>
internal static class UsageError
{
    /// <summary>The first thing that is wrong, and where to read on. Exit status 2.</summary>
    public static ControlResult Explain(RootCommand root, ParseResult parse, IReadOnlyList<string> arguments)
    {
        var verb = parse.CommandResult.Command;
        List<string> path = [];
        for (SymbolResult? at = parse.CommandResult; at is CommandResult command; at = at.Parent)
            path.Insert(0, command.Command == root ? "blockrepl" : command.Command.Name);
        return new ControlResult(ExitCodes.Usage, What(verb, parse, arguments), $"see {string.Join(' ', path)} --help");
    }

    private static string What(Command verb, ParseResult parse, IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0)
            return "no verb is given";
        if (parse.UnmatchedTokens is [var stranger, ..])
        {
            if (stranger.StartsWith('-'))
                return $"\"{stranger}\" is not an option of {verb.Name}{Spelling.Suggest(stranger, verb.Options.Select(o => o.Name))}";
            return verb.Subcommands.Count > 0
                ? $"\"{stranger}\" is not a verb{Spelling.Suggest(stranger, verb.Subcommands.Select(c => c.Name))}"
                : $"\"{stranger}\" is one argument too many for {verb.Name}";
        }
        if (verb.Subcommands.Count > 0)
            return $"{verb.Name} needs a verb: {string.Join(", ", verb.Subcommands.Select(c => c.Name))}";
        return parse.Errors.Count > 0 ? parse.Errors[0].Message : $"{verb.Name} is not understood";
    }
}
