using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>The person who looks after the cluster of a random history: sane, unless the mix says reckless.</summary>
internal sealed class MixedOperator(MixedWorld world, MixedDeaths deaths)
{
    /// <summary>Does something to a node: promotes it, demotes it, suspends it, declares it Outdated; or not, where no sane person would.</summary>
    public void Act()
    {
        SimulatedNode node = world.Pick();
        if (!node.IsAlive)
            return;
        if (node.Core.Role == Role.Primary)
        {
            CommandPrimary(node);
            return;
        }

        if (world.Chance.OneIn(12) && !world.Cluster.IsConnected)
        {
            world.Note($"{node.Name} is outdated");
            world.Checks.Outdated(node, world.Cluster.Command(node, OperatorVerb.Outdate));
            return;
        }

        bool isSane = MaySanelyPromote(node);
        if (!world.Mix.IsReckless && world.Mix.Fencing == FencingPolicy.DontCare && !isSane)
            return;
        bool isForced = world.Mix.IsReckless && world.Chance.OneIn(3);
        world.Note($"{node.Name} is promoted{(isForced ? " by force" : "")}");
        world.Cluster.Command(node, OperatorVerb.Primary, force: isForced);
    }

    /// <summary>Promotes the survivor of a Primary that has died, once it has noticed; true if that was done now.</summary>
    public bool FailsOver()
    {
        if (deaths.Survivor is not { IsAlive: true } node || node.Status.Link(ClusterHarness.PeerOf) != LinkId.None)
            return false;
        deaths.Survivor = null;
        if (!MaySanelyPromote(node))
            return false;
        world.Note($"{node.Name} is promoted: it takes over");
        world.Cluster.Command(node, OperatorVerb.Primary);
        return true;
    }

    private void CommandPrimary(SimulatedNode node)
    {
        switch (world.Chance.Below(6))
        {
            case 0 or 1:
                world.Note($"{node.Name} is demoted");
                CommandTicket demotion = world.Cluster.Command(node, OperatorVerb.Secondary);
                if (deaths.Demotions[node.Index].Result is not null)
                    deaths.Demotions[node.Index] = demotion;
                break;
            case 2 when deaths.Demotions[node.Index].Result is not null:
                world.Note($"{node.Name} is suspended");
                world.Checks.Suspending(node, world.Cluster.Command(node, OperatorVerb.SuspendIo));
                break;
            case 3 when world.Checks.IsSuspended(node):
                world.Note($"{node.Name} is resumed");
                world.Checks.Resumed(node);
                world.Cluster.Command(node, OperatorVerb.ResumeIo);
                break;
            default:
                break;
        }
    }

    /// <summary>Closes, attaches or detaches a disk; where disks return, mostly one of a Primary, and that at once.</summary>
    public void DiskActs()
    {
        SimulatedNode node = world.Pick();
        if (world.Mix.DisksReturn && node.IsAlive && node.Core.Role != Role.Primary && !world.Chance.OneIn(6))
            node = world.Cluster.Other(node);
        if (!node.IsAlive)
            return;
        var volume = (ushort)world.Chance.Below(2);
        DiskState state = node.Status.DiskState(new VolumeNr(volume));
        world.Note($"{node.Name}'s disk {volume} is {state}: closed, attached or detached");
        if (state == DiskState.Failed)
            node.CloseDisk(volume);
        else if (state != DiskState.Diskless && world.Chance.OneIn(3))
            world.Cluster.Command(node, new OperatorCommand(OperatorVerb.Detach) { Volume = world.Mix.DisksReturn ? new VolumeNr(volume) : null });
        if (state == DiskState.Diskless || (world.Mix.DisksReturn && node.Status.DiskState(new VolumeNr(volume)) == DiskState.Diskless))
            node.Attach(volume);
    }

    /// <summary>A person who promotes knows that the peer is dead since before it could go on alone, or that it is connected and not Primary.</summary>
    public bool MaySanelyPromote(SimulatedNode node)
    {
        SimulatedNode peer = world.Cluster.Other(node);
        if (world.Oracle.MissingOn(node) is not null)
            return false;
        return peer.IsAlive ? world.Cluster.IsConnected && world.Cluster.Link is { IsCut: false } : deaths.DiedInSync[peer.Index];
    }
}
