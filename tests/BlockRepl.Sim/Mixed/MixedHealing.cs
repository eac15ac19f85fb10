using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>The end of a random history: the network works, nobody dies any more, a person cares for what needs one; then all must be well. And rests in the middle of one.</summary>
internal sealed class MixedHealing(MixedWorld world, MixedDeaths deaths, MixedOperator person, FenceAgent agent)
{
    /// <summary>Mends everything that can be mended, and decides what a person must decide.</summary>
    public void Heal()
    {
        world.Note("heal");
        deaths.IsHealing = agent.IsCalm = true;
        foreach (SimulatedNode node in world.Nodes)
        {
            if (node.IsAlive && MixedWorld.Volumes.Any(v => node.Status.DiskState(v) == DiskState.Failed))
                deaths.Die(node, isPower: false);
        }

        deaths.StartDead();
        RunAndObserve();
        foreach (SimulatedNode node in world.Nodes)
        {
            if (world.Checks.IsSuspended(node) || node.Core.Role == Role.Primary)
            {
                world.Checks.Resumed(node);
                world.Cluster.Command(node, OperatorVerb.ResumeIo);
            }
        }

        if (world.Mix.IsReckless)
            DemoteBoth();
        AttachDiskless();
        for (int i = 0; i < 6 && !world.Cluster.IsConnected; i++)
        {
            if (world.Mix.IsReckless && Array.Exists(world.Nodes, n => n.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.StandAlone))
                Discard(world.Pick());
            world.Cluster.Tick(20_000);
            RunAndObserve();
            world.Cluster.Tick(1_000);
            RunAndObserve();
        }

        AttachDiskless();
        DemoteDiskless();
        SettleDoubts();
    }

    /// <summary>In the middle of a history: what is dead starts, everything under way ends, and there is a Primary, if one may be.</summary>
    public void Rest()
    {
        world.Note("rest");
        deaths.IsHealing = true;
        deaths.StartDead();
        deaths.IsHealing = false;
        for (int i = 0; i < 3 && !Array.TrueForAll(world.Nodes, MixedChecks.SeesInSync); i++)
        {
            RunAndObserve();
            world.Cluster.Tick(7_000);
        }

        RunAndObserve();
        if (Array.Exists(world.Nodes, static node => node.Core.Role == Role.Primary))
            return;
        SimulatedNode node = world.Pick();
        if (person.MaySanelyPromote(node))
            world.Cluster.Command(node, OperatorVerb.Primary);
        RunAndObserve();
    }

    // A Primary that was promoted without a disk does not take a disk back whose data it never saw: as a Secondary it does.
    private void DemoteDiskless()
    {
        foreach (SimulatedNode node in world.Nodes)
        {
            if (node.Core.Role == Role.Primary && Array.Exists(MixedWorld.Volumes, v => node.Status.DiskState(v) == DiskState.Diskless))
                world.Cluster.Command(node, OperatorVerb.Secondary);
        }

        RunAndObserve();
        AttachDiskless();
    }

    // What a person has declared Outdated while the nodes were equal becomes UpToDate with the next handshake. A Primary that would have to be overwritten must be demoted first.
    private void SettleDoubts()
    {
        for (int i = 0; i < 3 && !(world.Cluster.IsConnected && Array.TrueForAll(world.Nodes, node => Array.TrueForAll(MixedWorld.Volumes, v => node.Status.DiskState(v) == DiskState.UpToDate))); i++)
        {
            bool mustDecide = false;
            foreach (SimulatedNode node in world.Nodes)
            {
                bool isSplit = node.Status.Detail(ClusterHarness.PeerOf).Contains("split brain", StringComparison.Ordinal);
                Assert.True(!isSplit || world.Checks.MayBeSplit || world.Checks.IsDecided, $"G7: {node.Name}: {node.Status.Detail(ClusterHarness.PeerOf)}");
                mustDecide |= isSplit;
                if (!world.Cluster.IsConnected)
                    world.Cluster.Command(node, OperatorVerb.Secondary);
                RunAndObserve();
            }

            if (mustDecide)
                Discard(world.Pick());
            foreach (SimulatedNode node in world.Nodes)
            {
                bool isAlone = node.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.StandAlone;
                world.Cluster.Command(node, isAlone ? OperatorVerb.Connect : OperatorVerb.Reconnect);
            }

            RunAndObserve();
        }
    }

    private void Discard(SimulatedNode victim)
    {
        world.Note($"{victim.Name} discards its data");
        world.Checks.IsDecided = true;
        world.Cluster.Command(victim, OperatorVerb.Connect, discardMyData: true);
        world.Cluster.Command(world.Cluster.Other(victim), OperatorVerb.Connect);
    }

    private void AttachDiskless()
    {
        foreach (SimulatedNode node in world.Nodes)
        {
            foreach (VolumeNr v in MixedWorld.Volumes)
            {
                if (node.Status.DiskState(v) == DiskState.Failed)
                    node.CloseDisk(v.Value);
                if (node.Status.DiskState(v) == DiskState.Diskless)
                    node.Attach(v.Value);
            }
        }

        RunAndObserve();
    }

    // A Primary is never overwritten: after two of them, or a stale one, a person has to demote them first.
    private void DemoteBoth()
    {
        world.Cluster.IsNetworkUp = false;
        world.Cluster.Cut();
        RunAndObserve();
        foreach (SimulatedNode node in world.Nodes)
        {
            world.Cluster.Command(node, OperatorVerb.Secondary);
            RunAndObserve();
        }

        world.Cluster.IsNetworkUp = true;
    }

    private void RunAndObserve()
    {
        for (int i = 0; world.Cluster.StepOnce() || agent.Advance(); i++)
        {
            world.Observe();
            Assert.True(i < 6_000, "the cluster does not come to rest");
        }

        world.Observe();
    }

    /// <summary>Both nodes are equal and hold what they must; nothing waits.</summary>
    public void Verify()
    {
        foreach (SimulatedNode node in world.Nodes)
        {
            Assert.True(node.Status.ConnectionState(ClusterHarness.PeerOf) != ConnectionState.StandAlone, $"{node.Name}: {node.Status.Detail(ClusterHarness.PeerOf)}");
            Assert.True(node.Unanswered.Count == 0 && node.OpenReads.Count == 0, $"{node.Name} left {node.Unanswered.Count} requests and {node.OpenReads.Count} reads unanswered");
        }

        world.Cluster.AssertInSync();
        if (world.Mix.IsReckless || world.Checks.IsDecided)
            return;
        foreach (SimulatedNode node in world.Nodes)
            Assert.True(world.Oracle.Check(node) is null, world.Oracle.Check(node));
    }
}
