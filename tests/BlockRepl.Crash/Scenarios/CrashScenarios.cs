using BlockRepl.Crash.Cluster;
using BlockRepl.Crash.Recording;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Scenarios;

/// <summary>The stories. Each begins with both nodes in sync and alpha Primary.</summary>
internal static class CrashScenarios
{
    public static IReadOnlyList<CrashScenario> All { get; } =
    [
        new("writes-and-flushes", new CrashPlan(), scene => scene.Work.RunAsync(0, 60)),
        new("log-evictions", new CrashPlan(DiskBytes: 400L << 20), LogEvictionsAsync),
        new("trims-and-zeroes", new CrashPlan(IsExternal: true), TrimsAsync),
        new("peer-lost-and-back", new CrashPlan(), scene => PeerLostAsync(scene, resyncIsCut: false)),
        new("resync-cut", new CrashPlan(IsExternal: true), scene => PeerLostAsync(scene, resyncIsCut: true)),
        new("alone-with-evictions", new CrashPlan(DiskBytes: 400L << 20), AloneWithEvictionsAsync),
        new("demoted-alone", new CrashPlan(), DemotedAloneAsync),
        new("handover", new CrashPlan(), HandoverAsync),
        new("detach-and-attach-secondary", new CrashPlan(), DetachSecondaryAsync),
        new("detach-and-attach-primary", new CrashPlan(), DetachPrimaryAsync),
        new("grow", new CrashPlan(GrowsToBytes: 48 << 20), scene => GrowAsync(scene)),
        new("grow-external", new CrashPlan(IsExternal: true, GrowsToBytes: 48 << 20), scene => GrowAsync(scene)),
        new("verify-and-repair", new CrashPlan(), VerifyAsync),
        new("orderly-stop", new CrashPlan(), OrderlyStopAsync),
    ];

    // More extents than the log has places, and no flush of the client's in between: each eviction waits until what it drops is stable on both nodes.
    private static async Task LogEvictionsAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 4);
        using var client = new ExportClient(scene.Cluster.VolumeOf(0));
        TouchAll(scene, client, 5, 90);
        await new Workload(scene.Cluster, scene.Chance.NextUInt64()) { Extents = 99 }.RunAsync(0, 12);
        TouchAll(scene, client, 10, 25);
        await scene.Work.RunAsync(0, 4);
    }

    // What leaves the log now is not stable on the peer: only marks say that it may differ.
    private static async Task AloneWithEvictionsAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 10);
        scene.HoldsNoMore(1);
        await scene.CutWireAsync();
        await scene.Work.RunAsync(0, 10);
        using (var client = new ExportClient(scene.Cluster.VolumeOf(0)))
            TouchAll(scene, client, 5, 85);
        await scene.Work.RunAsync(0, 5);
        scene.MendWire();
        await scene.AwaitInSyncAsync();
        scene.Holds(1);
        await scene.Work.RunAsync(0, 5);
    }

    // The log is emptied by the demotion, while the peer lacks what was written.
    private static async Task DemotedAloneAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 10);
        scene.HoldsNoMore(1);
        await scene.CutWireAsync();
        await scene.Work.RunAsync(0, 20);
        await scene.DoAsync(0, ControlVerb.Secondary);
        await scene.DoAsync(0, ControlVerb.Primary);
        await scene.Work.RunAsync(0, 10);
        await scene.DoAsync(0, ControlVerb.Secondary);
        scene.MendWire();
        await scene.AwaitInSyncAsync();
        scene.Holds(1);
        await scene.DoAsync(1, ControlVerb.Primary);
        await scene.Work.RunAsync(1, 10);
    }

    private static void TouchAll(Scene scene, ExportClient client, int first, int end)
    {
        for (int extent = first; extent < end; extent++)
            Touch(scene, client, extent);
    }

    // One block, far from those of the workload, so that an extent is hot.
    private static void Touch(Scene scene, ExportClient client, int extent)
    {
        History history = scene.Cluster.History!;
        long block = extent * 1024L + 512;
        BlockVersion version = history.Ledger.Begin(block, 0, history.Next(), isZeroes: false, isForced: false);
        BlockContent.Fill(client.Data[..Block.Size], block, version);
        Assert.Equal(Nbd.NbdError.Ok, client.Do(Nbd.NbdCommand.Write, block * Block.Size, Block.Size));
        version.Answered = history.Next();
    }

    private static async Task TrimsAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 20);
        await new Workload(scene.Cluster, scene.Chance.NextUInt64()) { ZeroesInTen = 6 }.RunAsync(0, 40);
    }

    private static async Task PeerLostAsync(Scene scene, bool resyncIsCut)
    {
        await scene.Work.RunAsync(0, 15);
        scene.HoldsNoMore(1);
        Task work = scene.Work.RunAsync(0, 40);
        await scene.CutWireAsync();
        await work;
        await scene.Work.RunAsync(0, 10);
        work = scene.Work.RunAsync(0, 25);
        scene.MendWire();
        if (resyncIsCut)
        {
            await scene.Cluster.AwaitAsync(0, "a resync", status => status.Connections[0].Volumes[0].ReplicationState != ReplicationState.Off);
            await scene.CutWireAsync();
            await work;
            work = scene.Work.RunAsync(0, 10);
            scene.MendWire();
        }

        await work;
        await scene.AwaitInSyncAsync();
        scene.Holds(1);
        await scene.Work.RunAsync(0, 15);
    }

    private static async Task HandoverAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 20);
        await scene.DoAsync(0, ControlVerb.Secondary);
        await scene.DoAsync(1, ControlVerb.Primary);
        await scene.Work.RunAsync(1, 20);
        await scene.DoAsync(1, ControlVerb.Secondary);
        await scene.DoAsync(0, ControlVerb.Primary);
        await scene.Work.RunAsync(0, 10);
    }

    private static async Task DetachSecondaryAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 15);
        scene.HoldsNoMore(1);
        Task work = scene.Work.RunAsync(0, 40);
        await scene.DoAsync(1, ControlVerb.Detach);
        await work;
        work = scene.Work.RunAsync(0, 25);
        await scene.DoAsync(1, ControlVerb.Attach);
        await work;
        await scene.AwaitInSyncAsync();
        scene.Holds(1);
        await scene.Work.RunAsync(0, 10);
    }

    private static async Task DetachPrimaryAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 15);
        scene.HoldsNoMore(0);
        Task work = scene.Work.RunAsync(0, 40);
        await scene.DoAsync(0, ControlVerb.Detach);
        await work;
        work = scene.Work.RunAsync(0, 25);
        await scene.DoAsync(0, ControlVerb.Attach);
        await work;
        await scene.AwaitInSyncAsync();
        scene.Holds(0);
        await scene.Work.RunAsync(0, 10);
    }

    private static async Task GrowAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 15);
        Task work = scene.Work.RunAsync(0, 30);
        await scene.DoAsync(0, ControlVerb.Resize);
        await work;
        await scene.AwaitInSyncAsync();

        // Also in what is new.
        await new Workload(scene.Cluster, scene.Chance.NextUInt64()) { Extents = 11 }.RunAsync(0, 20);
    }

    private static async Task VerifyAsync(Scene scene)
    {
        History history = scene.Cluster.History!;
        await scene.Work.RunAsync(0, 20);

        // A disk that lies: three blocks of the Secondary's change by themselves.
        long[] damaged = [.. history.Ledger.Blocks.Keys.Order().Take(3)];
        long from = scene.Step("the Secondary's disk changes by itself");
        foreach (long block in damaged)
        {
            DiskCall call = history.Disks[1][0].Begin(history, DiskCallKind.Zeroes, block * Block.Size, Block.Size, [], isForced: true);
            scene.Cluster.Damage(1, block);
            call.Answered = history.Next();
        }

        Task work = scene.Work.RunAsync(0, 10);
        await scene.DoAsync(0, ControlVerb.Verify, new ControlOptions { Repair = true });
        await work;
        await scene.Cluster.AwaitAsync(0, "verified", status => status.Connections[0].Volumes[0].Verify is { EndedAt: not null });
        await scene.AwaitInSyncAsync();
        long to = scene.Step("verified and repaired");
        foreach (long block in damaged)
            history.Ledger.Damage.Add((block, from, to));
        await scene.Work.RunAsync(0, 10);
    }

    private static async Task OrderlyStopAsync(Scene scene)
    {
        await scene.Work.RunAsync(0, 30);
        scene.Step("alpha stops");
        await scene.Cluster.StopAsync(0);
        scene.Step("beta stops");
        await scene.Cluster.StopAsync(1);
        scene.Step("both have stopped");
    }
}
