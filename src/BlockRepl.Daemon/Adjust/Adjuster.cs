using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Adjust;

/// <summary>
/// The verb <c>adjust</c>: reads the configuration file anew and brings what runs into line with it, step by step. Nothing is touched while the file has an error or asks for something
/// that cannot be done online. One adjustment at a time.
/// </summary>
internal sealed partial class Adjuster(NodeRuntime node) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>Adjusts one resource, or with null everything, or says only what it would do.</summary>
    public async Task<ControlResult> RunAsync(string? resource, ControlOptions options)
    {
        await _one.WaitAsync();
        try
        {
            (ClusterConfiguration? next, IReadOnlyList<ConfigurationError> errors) = ConfigurationReader.Read(node.Context.Configuration.File);
            if (next is null)
                return new ControlResult(ExitCodes.ConfigurationOrDaemon, string.Join('\n', errors), "nothing was changed; correct the file and adjust again");
            if (next.FindNode(node.Context.Node) is null)
            {
                return new ControlResult(ExitCodes.ConfigurationOrDaemon,
                    $"{next.File}: this node, {node.Context.Node}, is not in the file any more", "nothing was changed; to leave the cluster stop the daemon");
            }

            if (resource is not null && next.FindResource(resource) is null && node.Resources.Find(resource) is null)
                return UndefinedName.Resource(resource, next.Resources.Select(other => other.Name));
            AdjustPlan plan = Plan(next, resource, options.Force);
            if (plan.Refusals.Count > 0)
            {
                return new ControlResult(
                    plan.Refusals[0].ExitCode, string.Join('\n', plan.Refusals.Select(refusal => refusal.Message)), plan.Refusals[0].Hint);
            }

            return options.DryRun
                ? ControlResult.Answer(string.Join('\n', plan.Steps.SelectMany(step => step.Lines)))
                : await CarryOutAsync(plan, next);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _one.Dispose();

    private AdjustPlan Plan(ClusterConfiguration next, string? only, bool force)
    {
        var plan = new AdjustPlan();
        var resources = new ResourcePlanner(node, next);
        foreach (ManagedResource running in node.Resources)
        {
            string name = running.Runtime.Settings.Name;
            if (only is not null && name != only)
                continue;
            if (next.FindResource(name) is { } wanted)
                resources.Change(plan, running, wanted, force);
            else
                resources.Remove(plan, running, force);
        }

        // What belongs to the whole node; a new resource may need it.
        if (only is null)
            new NodePlanner(node, next).Plan(plan);
        foreach (ResourceConfiguration added in next.Resources)
        {
            if ((only is null || added.Name == only) && node.Resources.Find(added.Name) is null)
                resources.Add(plan, added);
        }

        return plan;
    }

    private async Task<ControlResult> CarryOutAsync(AdjustPlan plan, ClusterConfiguration next)
    {
        ILogger log = node.Context.Loggers.CreateLogger("BlockRepl.Adjust");
        List<string> done = [];
        foreach (AdjustStep step in plan.Steps)
        {
            foreach (string line in step.Lines)
                LogStep(log, line);
            ControlResult result = await step.RunAsync();
            if (result.ExitCode != ExitCodes.Done)
            {
                string before = done.Count > 0 ? $" (done before: {string.Join("; ", done)})" : "";
                return result with { Message = $"{step.Lines[0]}: {result.Message}{before}" };
            }

            done.AddRange(step.Lines);
        }

        if (done.Count > 0)
        {
            foreach (string line in next.Warnings)
                LogWarning(log, line);
        }

        return ControlResult.Answer(string.Join('\n', done));
    }

    [LoggerMessage(EventId = 240, Level = LogLevel.Information, Message = "adjust: {Line}")]
    private static partial void LogStep(ILogger logger, string line);

    [LoggerMessage(EventId = 241, Level = LogLevel.Warning, Message = "{Warning}")]
    private static partial void LogWarning(ILogger logger, string warning);
}
