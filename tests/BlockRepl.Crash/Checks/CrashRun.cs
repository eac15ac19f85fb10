using BlockRepl.Crash.Cluster;
using BlockRepl.Crash.Recording;
using BlockRepl.Crash.Scenarios;
using BlockRepl.Format;

namespace BlockRepl.Crash.Checks;

/// <summary>Plays a scenario and cuts it: at every end of a call, with several tails each; some of the cuts are opened with real nodes.</summary>
internal sealed class CrashRun(CrashScenario scenario, ulong seed)
{
    private static readonly (Loss Alpha, Loss Beta)[] Losses =
    [
        (Loss.Process, Loss.Process), (Loss.Power, Loss.Power), (Loss.PowerAndCaches, Loss.PowerAndCaches),
        (Loss.Power, Loss.Process), (Loss.Process, Loss.Power), (Loss.PowerAndCaches, Loss.Power), (Loss.Power, Loss.PowerAndCaches),
    ];

    private const int TailsPerCut = 3;

    /// <summary>How many cuts of the scenario are opened with real nodes.</summary>
    public int Reopenings { get; init; } = 10;

    /// <summary>For canaries, see <see cref="CrashCluster.IsLost"/>.</summary>
    public Func<DiskCallKind, long, bool>? IsLost { get; init; }

    /// <summary>Records one run of the scenario.</summary>
    public async Task<History> RecordAsync()
    {
        await using CrashCluster cluster = await Scene.StartAsync(scenario.Name, seed, scenario.Plan, IsLost);
        await scenario.PlayAsync(new Scene(cluster, new Prng(seed)));
        cluster.History!.Step("the end");
        await cluster.DisposeAsync();

        // What the stop in good order did is part of the story.
        cluster.History.Step("both have stopped");
        return cluster.History;
    }

    /// <summary>Looks at the disks at every end of a call.</summary>
    /// <returns>How many pairs of disks were looked at.</returns>
    public int CheckImages(History history)
    {
        var checks = new ImageChecks(history);
        int looked = 0;
        foreach ((int node, long time) in Cuts(history))
        {
            // Every tail in its turn; three at each cut say as much about a story as all seven, in less than half of the time.
            for (int i = 0; i < TailsPerCut; i++)
            {
                int tail = (int)((time * TailsPerCut + i) % Losses.Length);
                Guarded(history, node, time, tail, (alpha, beta, cut) => checks.Check(alpha, beta, cut));
                looked++;
            }
        }

        return looked;
    }

    /// <summary>Hard part 6: after the stop in good order that ends every scenario nothing is left to resync, even if the power goes then.</summary>
    public void CheckEnd(History history)
    {
        Guarded(history, 0, history.Now, Array.IndexOf(Losses, (Loss.PowerAndCaches, Loss.PowerAndCaches)), (alpha, beta, _) =>
        {
            foreach (NodeImage image in new[] { alpha, beta })
            {
                bool isClean = image.Refusal is null && (image.Superblock.Flags & SuperblockFlags.CleanShutdown) != 0 && image.Metadata!.ActiveExtents.IsEmpty && image.Metadata.Bitmaps[0]!.SetCount == 0;
                if (!isClean || alpha.Superblock.Current != beta.Superblock.Current)
                    throw new CrashFinding("Hard part 6", $"{ImageChecks.Name(image.Node)} was stopped in good order, and says {image.Refusal ?? image.Superblock.Flags.ToString()}, {image.Metadata?.ActiveExtents.Length} active extents, {image.Metadata?.Bitmaps[0]?.SetCount} marks, generation {image.Metadata?.Superblock.Current}");
            }
        });
    }

    /// <summary>Opens some of the cuts with real nodes.</summary>
    public async Task ReopenAsync(History history)
    {
        var chance = new Prng(seed ^ 0x0FEE);
        (int Node, long Time)[] cuts = [.. Cuts(history)];
        for (int i = 0; i < Reopenings; i++)
        {
            // Spread over the story, so that each part of it has its turn.
            int index = (int)((long)cuts.Length * i / Reopenings) + chance.Below(Math.Max(1, cuts.Length / Reopenings));
            (int node, long time) = cuts[Math.Min(index, cuts.Length - 1)];
            await ReopenAsync(history, node, time, chance.Below(Losses.Length), way: chance.Below(3));
        }
    }

    /// <summary>Opens one cut with real nodes.</summary>
    public async Task ReopenAsync(History history, int node, long time, int tail, int way)
    {
        (NodeImage alpha, NodeImage beta, CutTimes cut) = ImagesAt(history, node, time, tail);
        var reopening = new Reopening(history, scenario.Plan);
        try
        {
            if (way > 0 && IsHeldBy(history, way - 1, cut))
                await reopening.OneFirstAsync(alpha, beta, cut, way - 1);
            else
                await reopening.BothAsync(alpha, beta, cut);
        }
        catch (Exception e) when (e is CrashFinding or TimeoutException)
        {
            Fail(history, node, time, tail, cut, $"opened with real nodes{(way > 0 ? $", {PlannedCluster.Nodes[way - 1]} first" : "")} (way {way})", e);
        }
    }

    /// <summary>A cut that a person asked for again.</summary>
    public void CheckImage(History history, int node, long time, int tail) =>
        Guarded(history, node, time, tail, (alpha, beta, cut) => new ImageChecks(history).Check(alpha, beta, cut));

    // Whoever was in sync at its cut, and at the other's, may go on alone and is followed.
    private static bool IsHeldBy(History history, int node, CutTimes cut) =>
        history.Ledger.IsHolding(node, cut.Alpha) && history.Ledger.IsHolding(node, cut.Beta);

    private static IEnumerable<(int Node, long Time)> Cuts(History history)
    {
        for (int node = 0; node < 2; node++)
        {
            foreach (DiskLog log in history.Disks[node])
            {
                foreach (DiskCall call in log.Calls)
                {
                    // Between its beginning and its end, and after it.
                    yield return (node, call.Begun);
                    if (call.Answered != long.MaxValue)
                        yield return (node, call.Answered);
                }
            }
        }
    }

    // The one node is cut here, the other anywhere where that fits.
    private (NodeImage Alpha, NodeImage Beta, CutTimes Cut) ImagesAt(History history, int node, long time, int tail)
    {
        var chance = new Prng(seed * 0x9E37 + (ulong)(time * 64 + tail * 2 + node));
        (long first, long last) = history.WindowFor(node, time);
        long other = tail % 3 == 0 ? Math.Clamp(time, first, last) : first + (long)(chance.NextUInt64() % (ulong)(last - first + 1));
        CutTimes cut = node == 0 ? new CutTimes(time, other) : new CutTimes(other, time);
        (Loss alpha, Loss beta) = Losses[tail];
        return (new NodeImage(history, 0, cut.Alpha, alpha, chance), new NodeImage(history, 1, cut.Beta, beta, chance), cut);
    }

    private void Guarded(History history, int node, long time, int tail, Action<NodeImage, NodeImage, CutTimes> check)
    {
        (NodeImage alpha, NodeImage beta, CutTimes cut) = ImagesAt(history, node, time, tail);
        try
        {
            check(alpha, beta, cut);
        }
        catch (CrashFinding e)
        {
            Fail(history, node, time, tail, cut, "the disks as they are found (way image)", e);
        }
    }

    private void Fail(History history, int node, long time, int tail, CutTimes cut, string where, Exception e)
    {
        string file = TraceFile.Save(history);
        string Last(int at) => history.Disks[at].SelectMany(log => log.Calls.Select(call => (log.Name, call))).Where(pair => pair.call.Begun <= cut[at])
            .OrderBy(pair => pair.call.Begun).Select(pair => $"{pair.Name}: {pair.call}").LastOrDefault() ?? "nothing yet";
        Assert.Fail($"""
            {e.Message}
            scenario {scenario.Name}, seed {seed}, {where}
            alpha ({Losses[tail].Alpha}) cut at {cut.Alpha} of {history.Now}, after "{history.StepAt(cut.Alpha)}"; last call: {Last(0)}
            beta ({Losses[tail].Beta}) cut at {cut.Beta}, after "{history.StepAt(cut.Beta)}"; last call: {Last(1)}
            this cut again: BLOCKREPL_CRASH_TRACE={file} BLOCKREPL_CRASH_CUT={node}:{time}:{tail} dotnet test tests/BlockRepl.Crash --filter saved_trace
            another run of the same clients: BLOCKREPL_CRASH_SEED={seed} dotnet test tests/BlockRepl.Crash --filter {scenario.Name}
            """);
    }
}
