using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using BlockRepl.Cli.Checking;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>
/// <c>check</c>: a monitoring plugin, one line with performance data and the exit statuses 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. A daemon that is not there or does not answer is critical:
/// nothing is replicated. That this user may not ask it, or that the name is not defined, says nothing about the data and is unknown.
/// </summary>
internal static class CheckCommand
{
    private static readonly HealthLimits Defaults = new();

    /// <summary>Creates the verb.</summary>
    public static Command Create(GlobalOptions global, CliConsole console)
    {
        var name = NameArgument.Create(required: false, takesVolume: false);
        var disconnected = Time("--disconnected-critical", "A peer that is away this long is critical, until then a warning; default 1m");
        var suspended = Time("--suspended-critical", "I/O that is held this long is critical; default 30s");
        var resyncAge = Time("--resync-age-critical", "A volume that has not been in sync this long is critical");
        var verifyAge = Time("--verify-age-warning", "A last complete verify older than this is a warning, like 35d");
        var outOfSync = Size("--out-of-sync-warning", "Bytes out of sync with a connected peer that are a warning; default 1");
        var outOfSyncCritical = Size("--out-of-sync-critical", "Bytes out of sync that are critical");
        var fencing = NameArgument.Flag("--require-fencing", "A resource whose lost peer nobody fences is a warning");
        var primary = NameArgument.Flag("--require-primary", "A resource that is Primary on neither node is critical");
        var timeout = Time("--timeout", "A daemon that does not answer for this long is critical; default 10s");
        var command = new Command("check", "Monitoring plugin: one line, exit status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN")
        {
            name, disconnected, outOfSync, outOfSyncCritical, resyncAge, verifyAge, suspended, fencing, primary, timeout,
        };
        command.SetAction((parse, cancellationToken) =>
        {
            TimeSpan? TimeOf(Option<string?> option) => parse.GetValue(option) is { } text && TryParse(text, out TimeSpan time) ? time : null;
            long? SizeOf(Option<string?> option) => parse.GetValue(option) is { } text && Units.TryParseSize(text, out long bytes) ? bytes : null;
            var limits = new HealthLimits
            {
                DisconnectedCritical = TimeOf(disconnected) ?? Defaults.DisconnectedCritical,
                SuspendedCritical = TimeOf(suspended) ?? Defaults.SuspendedCritical,
                ResyncAgeCritical = TimeOf(resyncAge),
                VerifyAgeWarning = TimeOf(verifyAge),
                OutOfSyncWarningBytes = SizeOf(outOfSync) ?? Defaults.OutOfSyncWarningBytes,
                OutOfSyncCriticalBytes = SizeOf(outOfSyncCritical),
                RequiresFencing = parse.GetValue(fencing),
                RequiresPrimary = parse.GetValue(primary),
            };
            (Health health, string line) = Check(global.Connect(parse), parse.GetValue(name)!, limits, TimeOf(timeout) ?? TimeSpan.FromSeconds(10), cancellationToken);
            console.Out.WriteLine(line);
            return Task.FromResult((int)health);
        });
        return command;
    }

    private static (Health Health, string Line) Check(ControlClient client, string target, HealthLimits limits, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        IReadOnlyList<ResourceStatus> resources;
        try
        {
            resources = JsonSerializer.Deserialize(client.StatusJson(target, limit.Token), ControlJson.Default.IReadOnlyListResourceStatus)!;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Answer(Health.Critical, $"the daemon does not answer for {Units.Format(patience)}");
        }
        catch (DaemonGoneException gone)
        {
            return Answer(gone.IsForbidden ? Health.Unknown : Health.Critical, gone.Result.Message!);
        }
        catch (CliRefusalException refusal)
        {
            return Answer(Health.Unknown, refusal.Result.Message!);
        }
        catch (JsonException e)
        {
            return Answer(Health.Unknown, $"the daemon's answer is not understood ({e.Message}); it is of another version");
        }

        if (resources.Count == 0)
            return Answer(Health.Unknown, "no resource is configured");
        List<HealthFinding> findings = [.. resources.SelectMany(resource => HealthJudge.Judge(resource, limits, DateTimeOffset.UtcNow))];
        return (PluginLine.Worst(findings), PluginLine.Of(resources, findings, limits));
    }

    private static (Health Health, string Line) Answer(Health health, string text) => (health, PluginLine.Of(health, text));

    private static Option<string?> Time(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = "TIME" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !TryParse(result.Tokens[0].Value, out _))
                result.AddError($"{name}: \"{result.Tokens[0].Value}\" is not a time; write it like 30s, 5m, 12h or 35d");
        });
        return option;
    }

    private static Option<string?> Size(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = "SIZE" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !Units.TryParseSize(result.Tokens[0].Value, out _))
                result.AddError($"{name}: \"{result.Tokens[0].Value}\" is not a size; write it like 64MiB");
        });
        return option;
    }

    // Days are for this verb alone: nothing in the configuration waits that long.
    private static bool TryParse(string text, out TimeSpan time)
    {
        if (text.EndsWith('d') && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int days) && days <= 3650)
        {
            time = TimeSpan.FromDays(days);
            return true;
        }

        return Units.TryParseTime(text, out time);
    }
}
