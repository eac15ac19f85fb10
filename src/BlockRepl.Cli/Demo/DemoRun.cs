using System.Diagnostics;
using BlockRepl.Daemon.Control;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// The demonstration, step by step. Each step throws <see cref="DemoFailureException"/> where what it shows does not hold; the
/// cluster belongs to the caller.
/// </summary>
/// <param name="cluster">Both nodes; nothing runs yet.</param>
/// <param name="view">Shows each step.</param>
/// <param name="loadTime">How long the load runs until the kill; afterwards it runs half as long.</param>
/// <param name="seed">Seed of the load.</param>
internal sealed class DemoRun(DemoCluster cluster, DemoView view, TimeSpan loadTime, ulong seed)
{
    private const int MismatchesShown = 10;

    /// <summary>Docs: with default settings a lost peer delays a client by at most 20 s; so does a promotion.</summary>
    private static readonly TimeSpan PromotePatience = TimeSpan.FromSeconds(20);

    /// <summary>The last requests of a load wait for the peer at most as long.</summary>
    private static readonly TimeSpan DrainPatience = TimeSpan.FromSeconds(30);

    private readonly DemoBoard _board = new(cluster.Nodes);
    private readonly WriteModel _model = new(seed);

    /// <summary>What is being done, for a report of its failure.</summary>
    public string Step { get; private set; } = "";

    /// <summary>The numbers so far.</summary>
    public DemoFacts Facts { get; } = new();

    private DemoNode Alpha => cluster.Alpha;

    private DemoNode Beta => cluster.Beta;

    /// <summary>Runs all steps. With <paramref name="keep"/> the nodes serve again at the end, else both daemons have ended.</summary>
    public async Task RunAsync(bool keep, CancellationToken cancellationToken)
    {
        await StepAsync("Certificates and metadata", () => PrepareAsync(cancellationToken));
        await StepAsync("Two daemons", () => StartAsync(cancellationToken));
        await StepAsync("Initial sync", () => SyncAsync(cancellationToken));
        var regions = new HotRegions(Facts.VolumeBytes);
        using (var load = WriteLoad.Start(Alpha.NbdSocket, DemoCluster.Export, _model, regions, run: 1))
        {
            await StepAsync($"Write load on alpha for {loadTime.TotalSeconds:0.#} s", () => LoadAsync(load, cancellationToken));
            await KillAndPromoteAsync(load, cancellationToken);
        }
        await StepAsync("Check by content on beta", () => CheckAsync(regions));
        using (var load = WriteLoad.Start(Beta.NbdSocket, DemoCluster.Export, _model, regions, run: 2))
        {
            await StepAsync("beta serves alone", () => ServeAloneAsync(load, cancellationToken));
            await StepAsync("alpha comes back", () => ResyncAsync(load, cancellationToken));
        }
        await StepAsync("Check by content again", () => CheckAsync(regions));
        await StepAsync("Byte comparison of both disks", () => CompareAsync(cancellationToken));
        if (keep)
            await StepAsync("Both nodes serve again", () => ServeAgainAsync(cancellationToken));
        else
            await StepAsync("Both daemons end", () => EndAsync(cancellationToken));
    }

    private async Task StepAsync(string step, Func<Task<string[]>> work)
    {
        Step = step;
        var start = Stopwatch.GetTimestamp();
        var working = work();
        await view.WatchAsync(step, _board, working);
        view.Done(step, Stopwatch.GetElapsedTime(start), await working);
    }

    private async Task<string[]> PrepareAsync(CancellationToken cancellationToken)
    {
        await cluster.VerbAsync(null, ["certs", "init", "--dir", cluster.CertificateDirectory], cancellationToken);
        foreach (var node in cluster.Nodes)
        {
            await cluster.VerbAsync(null, ["certs", "node", node.Name, "--dir", cluster.CertificateDirectory], cancellationToken);
            await cluster.VerbAsync(node, ["create-md", DemoCluster.Resource], cancellationToken);
        }
        return ["a certificate authority and a certificate a node; on each node a sparse file of 1 GiB as its disk",
            "blockrepl certs init; blockrepl certs node NAME; blockrepl create-md demo"];
    }

    private async Task<string[]> StartAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(cluster.Nodes.Select(n => n.StartAsync(cancellationToken)));
        await cluster.VerbAsync(Alpha, ["wait-connect", DemoCluster.Resource, "--timeout", "30s"], cancellationToken);
        return [$"alpha is process {Alpha.ProcessId}, beta is process {Beta.ProcessId}; connected over mutual TLS, protocol C:",
            "a write is acknowledged when it is on both nodes"];
    }

    private async Task<string[]> SyncAsync(CancellationToken cancellationToken)
    {
        await cluster.VerbAsync(Alpha, ["primary", "--force", DemoCluster.Resource], cancellationToken);
        await cluster.VerbAsync(Alpha, ["wait-sync", DemoCluster.Resource, "--timeout", "60s"], cancellationToken);
        Facts.VolumeBytes = NodeWatch.Ask(Alpha.Client, DemoCluster.Resource, cancellationToken).Volumes[0].SizeBytes;
        return [$"alpha is Primary; beta has its {DemoText.Size(Facts.VolumeBytes)} (the volume is empty, and holes travel as holes)",
            "blockrepl primary --force demo"];
    }

    private async Task<string[]> LoadAsync(WriteLoad load, CancellationToken cancellationToken)
    {
        _board.Meter = load.Meter;
        await RunForAsync(load, loadTime, cancellationToken);
        var figures = load.Meter.Total();
        return [$"{DemoText.Count(figures.Writes)} writes acknowledged so far, {DemoText.Size(figures.Bytes)}, {DemoText.Count(figures.Flushes)} flushes, {WriteLoad.Connections * WriteLoad.DepthEach} requests in flight at any time",
            DemoText.Load(figures)];
    }

    private async Task KillAndPromoteAsync(WriteLoad load, CancellationToken cancellationToken)
    {
        var killedAt = 0L;
        await StepAsync("kill -9 of the Primary", async () =>
        {
            var victim = Alpha.ProcessId;
            killedAt = Stopwatch.GetTimestamp();
            await Alpha.KillAsync(cancellationToken);
            await load.Finished.WaitAsync(DrainPatience, cancellationToken);
            ThrowIfFailed(load);
            _board.Meter = null;
            Facts.BeforeKill = load.Meter.Total();
            return [$"process {victim} is gone, in the middle of the load: {DemoText.Count(Facts.BeforeKill.Writes)} writes were acknowledged, {load.Unanswered} requests were not answered"];
        });
        await StepAsync("beta takes over", async () =>
        {
            var refusals = await PromoteAsync(cancellationToken);
            await ProbeAsync();
            Facts.Outage = Stopwatch.GetElapsedTime(killedAt);
            return [.. refusals, $"first write acknowledged {DemoText.Seconds(Facts.Outage)} after the kill", "blockrepl primary demo"];
        });
    }

    /// <summary>Until the state allows it: right after the kill beta may not know yet that its peer is gone. Each change of state is a new try.</summary>
    private async Task<string[]> PromoteAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(PromotePatience);
        var refusals = new List<string>();
        while (true)
        {
            var change = Beta.Watch!.NextChangeAsync();
            var response = await Task.Run(() => Beta.Client.Execute(new ControlRequest(ControlVerb.Primary, DemoCluster.Resource), patience.Token), CancellationToken.None);
            if (response.ExitCode == ExitCodes.Done)
                return refusals.Count == 0 ? [] : [$"beta refused {refusals.Count} time(s) before, as long as it had not noticed: {refusals[0]}"];
            var why = response.Results[0].Message ?? "for no reason";
            if (response.ExitCode is not (ExitCodes.StateRefused or ExitCodes.NoUpToDateData))
                throw new DemoFailureException($"beta cannot be promoted ({response.ExitCode}): {why}");
            refusals.Add(why);
            try
            {
                await change.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new DemoFailureException($"beta is not promoted {PromotePatience.TotalSeconds} s after the kill: {why}");
            }
        }
    }

    /// <summary>One write and one flush beside what the load wrote, so that the check finds everything else untouched.</summary>
    private async Task ProbeAsync()
    {
        using var client = NbdClient.Connect(Beta.NbdSocket, DemoCluster.Export);
        var data = new byte[Block.Size];
        Check.That(_model.TryBegin(HotRegions.ProbeBlock, 1, out var version), "the probe's block is nobody else's");
        BlockPattern.Fill(data, seed, HotRegions.ProbeBlock, version);
        var error = await client.WriteAsync(HotRegions.ProbeBlock * Block.Size, data);
        error = error == NbdError.Ok ? await client.FlushAsync() : error;
        if (error != NbdError.Ok)
            throw new DemoFailureException($"beta answers the first write or its flush with {error}");
        _model.Acknowledge(HotRegions.ProbeBlock, 1, version);
    }

    private async Task<string[]> CheckAsync(HotRegions regions)
    {
        var tally = new CheckTally();
        IReadOnlyList<string> wrong;
        using (var client = NbdClient.Connect(Beta.NbdSocket, DemoCluster.Export))
            wrong = await ContentCheck.RunAsync(client, _model, regions, tally);
        if (wrong.Count > 0)
        {
            throw new DemoFailureException(string.Join('\n', [$"{DemoText.Count(wrong.Count)} blocks are wrong, of {DemoText.Count(tally.Blocks + wrong.Count)}:",
                .. wrong.Take(MismatchesShown)]));
        }
        Facts.BlocksChecked += tally.Blocks;
        var lines = new List<string>
        {
            $"{DemoText.Count(tally.Blocks)} blocks read, {DemoText.Count(tally.AcknowledgedBlocks)} of them with acknowledged writes: none lost, none torn, none stale",
        };
        if (tally.OpenThere + tally.OpenAbsent > 0)
            lines.Add($"of {tally.OpenThere + tally.OpenAbsent} blocks whose last write was not acknowledged {tally.OpenThere} have it and {tally.OpenAbsent} do not, each as a whole: both are right");
        return [.. lines];
    }

    private async Task<string[]> ServeAloneAsync(WriteLoad load, CancellationToken cancellationToken)
    {
        _board.Meter = load.Meter;
        await RunForAsync(load, loadTime / 2, cancellationToken);
        var figures = load.Meter.Total();
        return [$"{DemoText.Count(figures.Writes)} more writes acknowledged; beta records the blocks that alpha misses", DemoText.Load(figures)];
    }

    private async Task<string[]> ResyncAsync(WriteLoad load, CancellationToken cancellationToken)
    {
        Beta.Watch!.ForgetMost();
        await Alpha.StartAsync(cancellationToken);
        var start = Stopwatch.GetTimestamp();
        await cluster.VerbAsync(Beta, ["wait-sync", DemoCluster.Resource, "--timeout", "60s"], cancellationToken);
        var took = Stopwatch.GetElapsedTime(start);
        Facts.ResyncedBytes = Beta.Watch!.OutOfSyncBytesMax;
        // Some more, now on both nodes again.
        await RunForAsync(load, loadTime / 8, cancellationToken);
        load.Stop();
        await load.Finished.WaitAsync(DrainPatience, cancellationToken);
        ThrowIfFailed(load);
        if (load.Unanswered > 0)
            throw new DemoFailureException($"beta hung up on the load, {load.Unanswered} requests were not answered");
        _board.Meter = null;
        Facts.AfterKill = load.Meter.Total();
        return [$"{DemoText.Size(Facts.ResyncedBytes)} of {DemoText.Size(Facts.VolumeBytes)} resynced in {DemoText.Seconds(took)}: what beta had recorded, and what alpha's activity log named as in use when it died",
            $"the load went on meanwhile: {DemoText.Count(Facts.AfterKill.Writes)} writes acknowledged on beta"];
    }

    private async Task<string[]> CompareAsync(CancellationToken cancellationToken)
    {
        await cluster.VerbAsync(Beta, ["secondary", DemoCluster.Resource], cancellationToken);
        await cluster.VerbAsync(Beta, ["wait-sync", DemoCluster.Resource, "--timeout", "30s"], cancellationToken);
        foreach (var node in cluster.Nodes)
            await cluster.VerbAsync(node, ["down", DemoCluster.Resource], cancellationToken);
        var difference = await Task.Run(
            () => DiskComparison.FirstDifference(Alpha.DiskFile, Beta.DiskFile, Facts.VolumeBytes, cancellationToken), CancellationToken.None);
        if (difference is not null)
            throw new DemoFailureException($"{difference} [seed {seed}]");
        Facts.ComparedBytes = Facts.VolumeBytes;
        return [$"after \"secondary\" and \"down\": {DemoText.Count(Facts.ComparedBytes)} bytes of data, all equal"];
    }

    private async Task<string[]> ServeAgainAsync(CancellationToken cancellationToken)
    {
        foreach (var node in cluster.Nodes)
            await cluster.VerbAsync(node, ["up", DemoCluster.Resource], cancellationToken);
        await cluster.VerbAsync(Beta, ["wait-sync", DemoCluster.Resource, "--timeout", "30s"], cancellationToken);
        await cluster.VerbAsync(Beta, ["primary", DemoCluster.Resource], cancellationToken);
        return ["beta is Primary"];
    }

    private async Task<string[]> EndAsync(CancellationToken cancellationToken)
    {
        foreach (var node in cluster.Nodes)
        {
            var status = await node.TerminateAsync(cancellationToken);
            if (status != ExitCodes.Done)
                throw new DemoFailureException($"the daemon of {node.Name} ended on SIGTERM with exit status {status}");
        }
        return ["SIGTERM, exit status 0"];
    }

    /// <summary>Lets the load run; it must not end by itself.</summary>
    private static async Task RunForAsync(WriteLoad load, TimeSpan time, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = new PeriodicTimer(time);
        var over = timer.WaitForNextTickAsync(stop.Token).AsTask();
        if (await Task.WhenAny(load.Finished, over) == over)
        {
            await over;
            return;
        }
        await stop.CancelAsync();
        ThrowIfFailed(load);
        throw new DemoFailureException($"the server hung up by itself; {load.Unanswered} requests were not answered");
    }

    private static void ThrowIfFailed(WriteLoad load)
    {
        if (load.Failure is { } failure)
            throw new DemoFailureException(failure);
    }
}
