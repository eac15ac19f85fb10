using System.Globalization;
using System.Reflection;
using BlockRepl.Primitives;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>What operators ask for: every verb that the engine has, by its name on the command line, with its options.</summary>
internal static class OperatorVerbs
{
    private static readonly Dictionary<string, OperatorVerb> Aliases = new(StringComparer.Ordinal)
    {
        ["new-current-uuid"] = OperatorVerb.SkipInitialSync,
    };

    /// <summary>False if the engine has no such verb.</summary>
    public static bool TryExecute(Scenario scenario, Statement statement)
    {
        OperatorVerb? verb = Aliases.TryGetValue(statement.Verb, out OperatorVerb alias) ? alias : Units.Named<OperatorVerb>(statement.Verb);
        if (verb is not { } known)
            return false;
        if (statement.Plain.Count == 0)
            throw statement.Wrong($"{statement.Verb} on which node?");
        SimulatedNode node = scenario.Node(statement, statement.Plain[0]);
        if (!node.IsAlive)
            throw statement.Wrong($"{Scenario.NameOf(node)} is down");
        CommandTicket ticket = scenario.Cluster.Command(node, CommandFor(statement, known));
        scenario.Answers.Add(statement.Text.Split(" ->")[0], node, ticket);
        if (statement.IsBegun)
            return true;
        string wanted = statement.Outcome.Count > 0 ? statement.Outcome[0] : "0";
        if (wanted == "pending")
            scenario.Settle(statement);
        else
            scenario.RunUntil(() => ticket.Result is not null || !node.IsAlive);
        CheckAnswer(statement, ticket, statement.Outcome.Count > 0 ? statement.Outcome : ["0"]);
        return true;
    }

    /// <summary>Compares an answer with what a script says: a code or "pending" or "any", and perhaps a part of the message.</summary>
    public static void CheckAnswer(Statement statement, CommandTicket ticket, IReadOnlyList<string> wanted)
    {
        if (wanted[0] == "any")
            return;
        string code = ticket.Result is null ? "pending" : ticket.ExitCode.ToString(CultureInfo.InvariantCulture);
        string message = $"{ticket.Result?.Message} {ticket.Result?.Hint}";
        if (code != wanted[0])
            throw statement.Wrong($"the answer is {code} ({message.Trim()}), not {wanted[0]}");
        foreach (string part in wanted.Skip(1).Select(Units.Unquote))
        {
            if (!message.Contains(part, StringComparison.OrdinalIgnoreCase))
                throw statement.Wrong($"the answer does not say \"{part}\": {message.Trim()}");
        }
    }

    // Words behind the node: a volume, or --option, which sets the command's property of that name.
    private static OperatorCommand CommandFor(Statement statement, OperatorVerb verb)
    {
        var command = new OperatorCommand(verb);
        foreach (string word in statement.Words.Skip(1))
        {
            if (VolumeWord.Parse(word) is { } volume)
            {
                Set(statement, command, "Volume", new VolumeNr((ushort)volume));
            }
            else if (word.StartsWith("--", StringComparison.Ordinal) && word != "--clear-bitmap")
            {
                string[] parts = word[2..].Split('=', 2);
                if (verb == OperatorVerb.Verify && VerifyOption(statement, command.Verify, parts) is { } options)
                {
                    command = command with { Verify = options };
                    continue;
                }

                object value = parts.Length == 1 ? true : Units.Size(parts[1]) ?? throw statement.Wrong($"what is {parts[1]}?");
                Set(statement, command, parts[0], value);
            }
        }

        return command;
    }

    private static VerifyOptions? VerifyOption(Statement statement, VerifyOptions options, string[] parts) => parts switch
    {
        ["repair"] => options with { Repair = true },
        ["repair", var node] => options with { Repair = true, RepairFrom = node == "a" ? "alpha" : "beta" },
        ["start", var at] => options with { StartBytes = Units.Size(at) ?? throw statement.Wrong("from where?") },
        ["stop", var at] => options with { StopBytes = Units.Size(at) ?? throw statement.Wrong("up to where?") },
        _ => null,
    };

    private static void Set(Statement statement, OperatorCommand command, string name, object value)
    {
        PropertyInfo property = Array.Find(typeof(OperatorCommand).GetProperties(), p => Units.Plain(p.Name) == Units.Plain(name) || Units.Plain(p.Name) == Units.Plain(name) + "BYTES")
            ?? throw statement.Wrong($"the engine's commands have no \"{name}\"");
        property.SetValue(command, value);
    }
}
