using BlockRepl.Crash.Cluster;
using BlockRepl.Crash.Recording;
using BlockRepl.Daemon.Control;
using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Scenarios;

/// <summary>What a scenario works with: two nodes in sync, alpha Primary, everything recorded from here on.</summary>
internal sealed class Scene(CrashCluster cluster, Prng chance)
{
    public CrashCluster Cluster => cluster;

    public Prng Chance => chance;

    public Workload Work { get; init; } = new(cluster, chance.NextUInt64());

    private History History => cluster.History!;

    /// <summary>The scenario says what comes next.</summary>
    public long Step(string text)
    {
        long at = History.Step(text);
        return at;
    }

    public async Task DoAsync(int node, ControlVerb verb, ControlOptions? options = null)
    {
        Step($"{verb} on {PlannedCluster.Nodes[node]}");
        await cluster.MustAsync(node, verb, options);
        Step($"{verb} on {PlannedCluster.Nodes[node]} is done");
    }

    public async Task AwaitInSyncAsync()
    {
        await cluster.AwaitInSyncAsync();
        Step("in sync");
    }

    /// <summary>From now on the node holds whatever is acknowledged.</summary>
    public void Holds(int node) => History.Ledger.StartHolding(node, History.Next());

    public void HoldsNoMore(int node) => History.Ledger.StopHolding(node, Step($"{PlannedCluster.Nodes[node]} may miss something from here on"));

    /// <summary>The wire is cut and both nodes have noticed.</summary>
    public async Task CutWireAsync()
    {
        Step("the wire is cut");
        cluster.Wire!.Cut();
        for (int node = 0; node < 2; node++)
            await cluster.AwaitAsync(node, "disconnected", status => status.Connections[0].ConnectionState != ConnectionState.Connected);
    }

    public void MendWire()
    {
        Step("the wire is mended");
        cluster.Wire!.Mend();
    }

    /// <summary>The recorded run's start: metadata made, first sync skipped (all zeroes), alpha Primary.</summary>
    public static async Task<CrashCluster> StartAsync(string scenario, ulong seed, CrashPlan plan, Func<DiskCallKind, long, bool>? isLost = null)
    {
        IBlockDevice[][] disks = PlannedCluster.FreshDisks(plan);
        Guid[] boots = [new Guid(1, 0, 0, new byte[8]), new Guid(2, 0, 0, new byte[8])];
        await using (var first = new CrashCluster(plan with { GrowsToBytes = 0 }, disks, boots, null))
        {
            await first.StartAsync(1);
            await first.StartAsync(0);
            await first.AwaitAsync(0, "connected", status => status.Connections[0].ConnectionState == ConnectionState.Connected);
            await first.MustAsync(0, ControlVerb.NewCurrentUuid, new ControlOptions { ClearBitmap = true });
            await first.AwaitInSyncAsync();
        }

        DiskLog[][] logs = [.. disks.Select((node, i) => node.Select((disk, k) =>
            new DiskLog(PlannedCluster.Nodes[i] + (k == 0 ? "" : ".meta"), ((SparseDisk)disk).Copy())).ToArray())];
        var cluster = new CrashCluster(plan, disks, boots, new History(scenario, seed, logs)) { IsLost = isLost };
        await cluster.StartAsync(1);
        await cluster.StartAsync(0);
        await cluster.AwaitInSyncAsync();
        await cluster.MustAsync(0, ControlVerb.Primary);
        cluster.History!.Step("alpha is Primary, in sync");
        cluster.History.Ledger.StartHolding(0, cluster.History.Next());
        cluster.History.Ledger.StartHolding(1, cluster.History.Next());
        return cluster;
    }
}
