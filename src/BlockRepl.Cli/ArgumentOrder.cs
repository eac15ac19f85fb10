using System.CommandLine;

namespace BlockRepl.Cli;

/// <summary>
/// Lets options stand before the verb. The parser knows an option only after the verb that has it; so options that stand
/// before are moved to the end, together with their values.
/// </summary>
internal static class ArgumentOrder
{
    /// <summary>The same arguments with verbs first.</summary>
    public static string[] VerbsFirst(RootCommand root, IReadOnlyList<string> spelled)
    {
        List<string> arguments = [.. spelled.SelectMany(Commands.VerifyCommand.Expand)];
        var takesValue = new Dictionary<string, bool>();
        Collect(root, takesValue);
        List<string> first = [];
        List<string> moved = [];
        Command command = root;
        var i = 0;
        for (; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (argument.StartsWith('-') && argument is not "--" && command.Subcommands.Count > 0)
            {
                moved.Add(argument);
                if (takesValue.GetValueOrDefault(argument) && i + 1 < arguments.Count)
                    moved.Add(arguments[++i]);
                continue;
            }
            if (command.Subcommands.FirstOrDefault(c => c.Name == argument) is not { } verb)
                break;
            first.Add(argument);
            command = verb;
        }
        return [.. first, .. arguments.Skip(i), .. moved];
    }

    /// <summary>Which options are followed by a value. Where two verbs share an option's name they share this as well.</summary>
    private static void Collect(Command command, Dictionary<string, bool> takesValue)
    {
        foreach (var option in command.Options)
            takesValue[option.Name] = option.Arity.MinimumNumberOfValues > 0;
        foreach (var verb in command.Subcommands)
            Collect(verb, takesValue);
    }
}
