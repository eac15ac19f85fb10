namespace BlockRepl.Daemon.Control;

/// <summary>
/// Checks names, spreads <c>all</c> over the resources, waits. Knows nothing of HTTP. Any thread; holds no state.
/// </summary>
/// <param name="target">The resources.</param>
/// <param name="feed">Their changes.</param>
/// <param name="time">Clock for the wait time-outs.</param>
public sealed class ControlDispatcher(IControlTarget target, IEventFeed feed, TimeProvider time)
{
    /// <summary>Carries a request out on every resource that it names.</summary>
    public async ValueTask<ControlResponse> ExecuteAsync(ControlRequest request, CancellationToken cancellationToken)
    {
        if (!TryResolve(request.Target, out var name, out var resources, out var refusal))
        {
            // A changed file may have what the daemon does not know yet.
            return name.Resource is { } unknown && name.Volume is null && resources.Count == 0 && ControlVerbs.IsOnWholeConfiguration(request.Verb)
                ? new ControlResponse([await target.ExecuteAsync(new ControlCommand(request.Verb, unknown, null, request.Options ?? ControlOptions.None), cancellationToken)])
                : new ControlResponse([refusal]);
        }
        if (name.Volume is not null && !ControlVerbs.TakesVolume(request.Verb))
        {
            return new ControlResponse([new ControlResult(ExitCodes.Usage,
                $"{ControlVerbs.NameOf(request.Verb)} works on a whole resource, not on the volume {name}", $"name the resource {name.Resource}")]);
        }
        if (name.Volume is null && ControlVerbs.NeedsVolume(request.Verb))
        {
            return new ControlResponse([new ControlResult(ExitCodes.Usage,
                $"{ControlVerbs.NameOf(request.Verb)} works on one volume", $"name it: {name.Resource ?? "RESOURCE"}/VOLUME")]);
        }
        var options = request.Options ?? ControlOptions.None;
        if (name.Resource is null && ControlVerbs.IsOnWholeConfiguration(request.Verb))
            return new ControlResponse([await target.ExecuteAsync(new ControlCommand(request.Verb, null, null, options), cancellationToken)]);
        List<ControlResult> results = [];
        foreach (var resource in resources)
            results.Add(await target.ExecuteAsync(new ControlCommand(request.Verb, resource.Name, name.Volume, options), cancellationToken));
        return new ControlResponse(results);
    }

    /// <summary>The resources that <paramref name="targetName"/> names, in the order of the configuration; or a refusal.</summary>
    public (IReadOnlyList<ResourceStatus>? Resources, ControlResult? Refusal) Status(string targetName) =>
        TryResolve(targetName, out _, out var resources, out var refusal) ? (resources, null) : (null, refusal);

    /// <summary>The block devices of this host's volumes.</summary>
    public IReadOnlyList<Devices.DeviceStatus> Devices() => target.GetDevices();

    /// <summary>Waits until everything named has reached the goal. A null time-out is for ever.</summary>
    public async ValueTask<ControlResult> WaitAsync(
        WaitGoal goal, string targetName, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            // Taken before the state is read, so that a change in between ends it at once.
            var change = feed.NextChangeAsync();
            if (!TryResolve(targetName, out var name, out var resources, out var refusal))
                return refusal;
            var missing = resources.Select(r => WaitCondition.Missing(goal, r, name.Volume)).FirstOrDefault(m => m is not null);
            if (missing is null)
                return ControlResult.Done;
            var left = timeout is null ? Timeout.InfiniteTimeSpan : timeout.Value - time.GetElapsedTime(began);
            if (timeout is not null && left <= TimeSpan.Zero)
                return TimedOut(goal, timeout.Value, missing);
            try
            {
                await change.WaitAsync(left, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                return TimedOut(goal, timeout!.Value, missing);
            }
        }
    }

    private static ControlResult TimedOut(WaitGoal goal, TimeSpan timeout, string missing)
    {
        var verb = "wait-" + (goal switch { WaitGoal.Connect => "connect", WaitGoal.Sync => "sync", _ => "primary" });
        return new ControlResult(ExitCodes.TimedOut,
            $"{verb} gave up after {Configuration.Units.Format(timeout)}: {missing}", "see blockrepl status");
    }

    private bool TryResolve(string text, out ControlName name, out IReadOnlyList<ResourceStatus> resources, out ControlResult refusal)
    {
        refusal = ControlResult.Done;
        var all = target.GetStatus();
        resources = all;
        if (!ControlName.TryParse(text, out name))
        {
            refusal = new ControlResult(ExitCodes.Usage, $"\"{text}\" is neither RESOURCE nor RESOURCE/VOLUME nor all");
            return false;
        }
        if (name.Resource is not { } wanted)
            return true;
        resources = [.. all.Where(r => r.Name == wanted)];
        if (resources.Count == 0)
        {
            refusal = UndefinedName.Resource(wanted, all.Select(r => r.Name));
            return false;
        }
        if (name.Volume is { } volume && resources[0].Volumes.All(v => v.Name != volume))
        {
            refusal = UndefinedName.Volume(wanted, volume, resources[0].Volumes.Select(v => v.Name));
            return false;
        }
        return true;
    }
}
