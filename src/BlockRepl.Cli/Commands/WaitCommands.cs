using System.CommandLine;
using System.Globalization;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>The verbs that wait: the daemon follows its own events and answers when it is so.</summary>
internal static class WaitCommands
{
    /// <summary>All of them.</summary>
    public static IEnumerable<Command> Create(GlobalOptions global)
    {
        yield return Wait(global, WaitGoal.Connect, "wait-connect", "Wait until every connection is Connected");
        yield return Wait(global, WaitGoal.Sync, "wait-sync",
            "Wait until everything is Connected, Established, UpToDate on both sides and nothing is out of sync");
        yield return Wait(global, WaitGoal.Primary, "wait-primary", "Wait until this node is Primary");
    }

    private static Command Wait(GlobalOptions global, WaitGoal goal, string verb, string description)
    {
        var name = NameArgument.Create(required: false, takesVolume: goal == WaitGoal.Sync);
        var timeout = new Option<string?>("--timeout") { Description = "Give up after this time, like 30s or 2m; exit status 5", HelpName = "TIME" };
        timeout.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !TryParse(result.Tokens[0].Value, out _))
                result.AddError($"--timeout: \"{result.Tokens[0].Value}\" is not a time; write it like 500ms, 30s or 2m");
        });
        var command = new Command(verb, description) { name, timeout };
        command.SetAction((parse, cancellationToken) =>
        {
            TimeSpan? limit = parse.GetValue(timeout) is { } text && TryParse(text, out var time) ? time : null;
            var response = global.Connect(parse).Wait(goal, parse.GetValue(name)!, limit, cancellationToken);
            return response.Results.FirstOrDefault(r => r.ExitCode != ExitCodes.Done) is { } refusal
                ? throw new CliRefusalException(refusal)
                : Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    /// <summary>On the command line a bare number is seconds; there is no older meaning to confuse it with.</summary>
    private static bool TryParse(string text, out TimeSpan time) =>
        Units.TryParseTime(text, out time)
        || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _) && Units.TryParseTime(text + "s", out time));
}
