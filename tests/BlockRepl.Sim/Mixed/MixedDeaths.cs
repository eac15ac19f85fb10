using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>Processes that die, hosts that lose power, and how they come back.</summary>
internal sealed class MixedDeaths(MixedWorld world)
{
    /// <summary>By node: when it died the two were in sync, so the other has all that it had answered.</summary>
    public bool[] DiedInSync { get; } = [true, true];

    /// <summary>By node: its newest demotion, which the node's death ends.</summary>
    public CommandTicket[] Demotions { get; } = [new() { Result = CommandResult.Ok }, new() { Result = CommandResult.Ok }];

    /// <summary>The node that is to take over from a Primary that has died; null if none is.</summary>
    public SimulatedNode? Survivor { get; set; }

    /// <summary>Everything that is dead starts when it may.</summary>
    public bool IsHealing { get; set; }

    /// <summary>A node dies, or both do.</summary>
    public void Disaster()
    {
        SimulatedNode node = world.Pick();
        if (world.Mix.Victim is { } role && world.Chance.OneIn(2))
            node = Array.Find(world.Nodes, each => each.IsAlive && each.Core.Role == role) ?? node;

        // Where somebody takes over at once it is worth most while the survivor is still writing what it has received.
        if (world.Mix.FailsOver && !world.Cluster.Other(node).Pending.Exists(static p => p.Kind == EffectKind.LocalChange) && !world.Chance.OneIn(4))
            return;
        bool isPower = world.Chance.Below(100) < world.Mix.PowerPercent;
        Die(node, isPower);
        if (world.Chance.Below(100) < world.Mix.BothPercent)
            Die(world.Cluster.Other(node), isPower);
    }

    /// <summary>A process dies, or its host loses power.</summary>
    public void Die(SimulatedNode node, bool isPower)
    {
        if (!node.IsAlive)
            return;
        world.Note($"{node.Name} {(isPower ? "loses power" : "is killed")}");
        DiedInSync[node.Index] = MixedChecks.SeesInSync(node);
        Demotions[node.Index].Result ??= CommandResult.Ok;
        world.Checks.Dies(node);
        Survivor = world.Mix.FailsOver && node.Core.Role == Role.Primary ? world.Cluster.Other(node) : null;
        if (isPower)
            node.PowerCut(world.Chance);
        else
            node.Kill(world.Chance);

        // With protocol B what was received and not written dies with the process.
        if (isPower || world.Mix.Protocol != WriteProtocol.C)
            world.Checks.LosesPower(node);
    }

    /// <summary>A fence agent takes a node's power away.</summary>
    public void Shoot(SimulatedNode node)
    {
        world.Note($"{node.Name} is shot");
        DiedInSync[node.Index] = false;
        if (node.IsAlive)
            world.Checks.Dies(node);
        node.PowerCut(world.Chance);
        world.Checks.LosesPower(node);
        world.Oracle.NoteShot(world.Cluster.Other(node));
    }

    /// <summary>What is dead starts; while nothing is healed yet not all of it.</summary>
    public void StartDead()
    {
        foreach (SimulatedNode node in world.Nodes)
        {
            if (node.IsAlive || (!IsHealing && world.Chance.OneIn(3)))
                continue;
            world.Note($"{node.Name} starts");
            node.Start();
            world.Cluster.Command(node, OperatorVerb.Connect);
        }
    }
}
