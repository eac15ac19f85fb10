using System.CommandLine;
using System.Text.Json;
using BlockRepl.Cli.Cluster;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Commands;

/// <summary>
/// <c>maintenance on|off|status</c>: the frame of an update. On, the cluster manager leaves everything as it is, whatever is stopped or restarted; off, only when the resources are as the cluster
/// should find them.
/// </summary>
internal static class MaintenanceCommand
{
    /// <summary>Creates the verb and its verbs.</summary>
    public static Command Create(GlobalOptions global, CliConsole console) => new("maintenance", "Have the cluster manager leave everything as it is while packages are updated")
    {
        CreateOn(global, console),
        CreateOff(global, console),
        CreateStatus(console),
    };

    private static Command CreateOn(GlobalOptions global, CliConsole console)
    {
        var command = new Command("on", "From now on the cluster manager starts, stops and moves nothing");
        command.SetAction((parse, cancellationToken) =>
        {
            var pacemaker = new Pacemaker(console.Environment);
            bool wasOn = pacemaker.IsInMaintenance();
            if (!wasOn)
                pacemaker.SetMaintenance(true);
            console.Out.WriteLine(wasOn ? "maintenance is on already" : "maintenance is on: the cluster manager leaves every resource as it is, a node that fails included");
            bool isActive = false;
            foreach (ResourceStatus resource in Look(global, parse, console, cancellationToken) ?? [])
            {
                isActive |= resource.Role == Role.Primary;
                console.Out.WriteLine($"{resource.Name} is {resource.Role} here; {Describe(resource)}");
            }

            console.Out.WriteLine("next: update the packages on both nodes, the Secondary first; "
                + (isActive ? "run the post-install configuration on this node only" : "run the post-install configuration on the Primary only, which is not this node")
                + "; then: blockrepl maintenance off");
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static Command CreateOff(GlobalOptions global, CliConsole console)
    {
        Option<bool> force = NameArgument.Flag("--force", "Also when the resources are not as the cluster should find them");
        var command = new Command("off", "The cluster manager takes over again, once every resource is as it should find it") { force };
        command.SetAction((parse, cancellationToken) =>
        {
            var pacemaker = new Pacemaker(console.Environment);
            if (!pacemaker.IsInMaintenance())
            {
                console.Out.WriteLine("maintenance is off already");
                return Task.FromResult(ExitCodes.Done);
            }

            if (!parse.GetValue(force))
                Require(global, parse, console, cancellationToken);
            pacemaker.Refresh();
            pacemaker.SetMaintenance(false);
            console.Out.WriteLine("maintenance is off: the cluster manager is in charge again");
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static Command CreateStatus(CliConsole console)
    {
        Option<bool> json = NameArgument.Flag("--json", "Print JSON");
        var command = new Command("status", "Print on or off") { json };
        command.SetAction((parse, _) =>
        {
            string word = new Pacemaker(console.Environment).IsInMaintenance() ? "on" : "off";
            console.Out.WriteLine(parse.GetValue(json) ? $$"""{"maintenance":"{{word}}"}""" : word);
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    /// <summary>Refuses while the cluster, taking over now, would stop, move or fence something.</summary>
    private static void Require(GlobalOptions global, ParseResult parse, CliConsole console, CancellationToken cancellationToken)
    {
        const string Hint = "mend it first (blockrepl status), or hand over to the cluster all the same: blockrepl maintenance off --force";
        IReadOnlyList<ResourceStatus> resources = Look(global, parse, console, cancellationToken)
            ?? throw new CliRefusalException(ControlResult.Refused("the daemon on this node does not answer; the cluster manager would take that for a failed node", Hint));
        foreach (ResourceStatus resource in resources)
        {
            string? why = resource.Connections.FirstOrDefault(connection => connection.ConnectionState != ConnectionState.Connected) is { } lost
                ? $"{lost.Peer} is {lost.ConnectionState}"
                : resource.Role != Role.Primary && resource.Connections.All(connection => connection.PeerRole != Role.Primary)
                    ? "no node is Primary"
                    : null;
            if (why is not null)
                throw new CliRefusalException(ControlResult.Refused($"{resource.Name} is not as the cluster manager should find it: {why}", Hint));
        }
    }

    private static IReadOnlyList<ResourceStatus>? Look(GlobalOptions global, ParseResult parse, CliConsole console, CancellationToken cancellationToken)
    {
        try
        {
            return JsonSerializer.Deserialize(global.Connect(parse).StatusJson("all", cancellationToken), ControlJson.Default.IReadOnlyListResourceStatus);
        }
        catch (DaemonGoneException gone)
        {
            console.Error.WriteLine(gone.Result.Message);
            return null;
        }
    }

    private static string Describe(ResourceStatus resource) => resource.Connections.Count == 0
        ? "it has no peer"
        : string.Join(", ", resource.Connections.Select(connection => connection.ConnectionState != ConnectionState.Connected
            ? $"{connection.Peer} is {connection.ConnectionState}"
            : connection.Volumes.All(volume => volume.OutOfSyncSeconds == 0) ? $"in sync with {connection.Peer}" : $"not in sync with {connection.Peer}"));
}
