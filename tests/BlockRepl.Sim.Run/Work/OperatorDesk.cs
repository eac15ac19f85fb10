using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// The person at the desk: sees to it that one node is Primary, brings mended disks and stopped nodes back, and answers for handlers. A sane one promotes a node only if it is connected to a Secondary, or if
/// the dead peer cannot have gone on without it; with a fencing policy he may just ask, for then the nodes must know themselves. A reckless one promotes what he likes.
/// </summary>
internal sealed class OperatorDesk(Simulation simulation)
{
    private readonly bool[] _isAttaching = new bool[8];
    private readonly int[] _promotions = new int[2];
    private readonly List<(SimNode Peer, Action HungUp)> _asked = [];
    private readonly List<(SimNode Node, int Victim)> _invalidating = [];

    /// <summary>A demotion was asked for: no client asks for more.</summary>
    public bool[] IsDemoting { get; } = new bool[2];

    /// <summary>The promotion that is under way, or was last, was asked for by force.</summary>
    public bool[] IsForcing { get; } = new bool[2];

    /// <summary>A promotion by force was asked for, and is not answered.</summary>
    public bool IsForceUnderWay(SimNode node) => IsForcing[node.Index] && _promotions[node.Index] > 0;

    /// <summary>A node died in the state of being in sync: it had changed nothing alone.</summary>
    public bool[] DiedInSync { get; } = [true, true];

    /// <summary>No dead node is started, no disk attached but by the healing.</summary>
    public bool IsHealing { get; set; }

    /// <summary>The look round that a person takes now and then.</summary>
    public void LookRound()
    {
        simulation.Clock.In(300_000 + simulation.FaultChance.Below(2_000_000), LookRound);
        if (IsHealing)
            return;
        Prng chance = simulation.FaultChance;
        BringBackDisks(chance.Below(4) == 0);
        if (simulation.Nodes[0].IsPrimary || simulation.Nodes[1].IsPrimary)
            return;
        SimNode node = simulation.Nodes[chance.Below(2)];
        if (!node.IsAlive || node.IsFrozen || !simulation.IsSetUp)
            return;
        bool mayAsk = simulation.Plan.Fencing != FencingPolicy.DontCare && chance.OneIn(3);
        if (mayAsk || MaySanelyPromote(node))
            Promote(node, force: false);
    }

    /// <summary>A person who knows what he does promotes only if this is so.</summary>
    public bool MaySanelyPromote(SimNode node)
    {
        SimNode peer = simulation.Other(node);
        if (!HasEverything(node) || peer.IsPrimary)
            return false;
        if (!peer.IsAlive)
            return DiedInSync[peer.Index];
        return StatusReading.IsConnected(node) && StatusReading.IsConnected(peer) && node.LiveLink?.Link == peer.LiveLink?.Link && node.LiveLink is { Link.IsDead: false };
    }

    // Where a node has no disk its peer would serve it, so that the peer's data are what counts.
    private bool HasEverything(SimNode node)
    {
        for (int v = 0; v < node.Disks.Length; v++)
        {
            bool isServed = node.Status.DiskState(new VolumeNr((ushort)v)) is DiskState.Diskless or DiskState.Failed;
            if (!simulation.Oracle.HasEverything(isServed ? 1 - node.Index : node.Index, v))
                return false;
        }

        return true;
    }

    /// <summary>Asks for a promotion.</summary>
    public void Promote(SimNode node, bool force)
    {
        // While one is under way another is refused, and changes nothing about it.
        if (_promotions[node.Index]++ == 0)
            IsForcing[node.Index] = force;
        int life = node.Life;
        simulation.Note(node, force ? "is promoted by force" : "is promoted");
        node.Command(new OperatorCommand(OperatorVerb.Primary) { Force = force }, answer =>
        {
            if (life == node.Life)
                _promotions[node.Index]--;
            simulation.Note(node, $"promotion: {Words(answer)}");
        });
    }

    /// <summary>Asks for a demotion; what follows it may be given.</summary>
    public void Demote(SimNode node, Action? then = null)
    {
        IsDemoting[node.Index] = true;
        simulation.Note(node, "is demoted");
        node.Command(new OperatorCommand(OperatorVerb.Secondary), answer =>
        {
            IsDemoting[node.Index] = false;
            simulation.Note(node, $"demotion: {Words(answer)}");
            if (answer.ExitCode == 0)
                then?.Invoke();
            else
                simulation.Work.Start(node);
        });
    }

    /// <summary>Any other command, with a line for it and one for the answer.</summary>
    public void Command(SimNode node, OperatorCommand command, Action<CommandResult>? then = null)
    {
        simulation.Note(node, $"operator: {command.Verb}{(command.Volume is { } volume ? $" {volume.Value}" : "")}{(command.DiscardMyData ? " --discard-my-data" : "")}");
        node.Command(command, answer =>
        {
            simulation.Note(node, $"{command.Verb}: {Words(answer)}");
            then?.Invoke(answer);
        });
    }

    /// <summary>Gives a node's data up, its own or the peer's. Of several volumes one may fail (exit 1): the others are invalidated all the same; and so they may be if the process dies before it answers.</summary>
    public void Invalidate(SimNode node, OperatorVerb verb, int victim)
    {
        _invalidating.Add((node, victim));
        Command(node, new OperatorCommand(verb), answer =>
        {
            _invalidating.Remove((node, victim));
            simulation.Oracle.IsVictim[victim] |= answer.ExitCode is 0 or 1;
        });
    }

    /// <summary>A process has died: somebody starts it again after a while.</summary>
    public void NodeDied(SimNode node)
    {
        IsDemoting[node.Index] = false;
        _promotions[node.Index] = 0;
        Array.Fill(_isAttaching, false, node.Index * 4, 4);
        foreach ((SimNode asked, int victim) in _invalidating)
            simulation.Oracle.IsVictim[victim] |= asked == node;
        _invalidating.RemoveAll(one => one.Node == node);
        foreach ((SimNode peer, Action hungUp) in _asked.ToArray())
        {
            if (peer == node)
                hungUp();
        }

        simulation.Clock.In(200_000 + simulation.FaultChance.Below(15_000_000), () =>
        {
            if (!node.IsAlive && !IsHealing)
                node.Start();
        });
    }

    /// <summary>Runs a handler and answers honestly.</summary>
    public void RunHandler(SimNode node, HandlerCall call, Action<int> ended)
    {
        if (call.Kind != HandlerKind.FencePeer)
        {
            bool refuses = call.Kind == HandlerKind.BeforeResyncTarget && simulation.Plan.IsReckless && simulation.IsSetUp && !IsHealing && simulation.FaultChance.OneIn(20);
            node.Post(1_000 + simulation.FaultChance.Below(50_000), () => ended(refuses ? 1 : 0));
            return;
        }

        simulation.Note(node, "calls fence-peer");
        node.Post(20_000 + simulation.FaultChance.Below(2_000_000), () => Fence(node, 5, ended));
    }

    /// <summary>Attaches disks that are Diskless and closed, mended.</summary>
    public void BringBackDisks(bool all)
    {
        foreach (SimNode node in simulation.Nodes)
        {
            if (!node.IsAlive || node.IsFrozen)
                continue;
            for (int v = 0; v < node.Disks.Length; v++)
            {
                NodeDisk disk = node.Disks[v];
                int key = node.Index * 4 + v;
                if (!all || _isAttaching[key] || !disk.IsClosed || node.Status.DiskState(new VolumeNr((ushort)v)) != DiskState.Diskless)
                    continue;
                _isAttaching[key] = true;
                int volume = v;
                node.Post(simulation.FaultChance.Below(2_000_000), () =>
                {
                    _isAttaching[key] = false;
                    if (!disk.IsClosed || node.Status.DiskState(new VolumeNr((ushort)volume)) != DiskState.Diskless)
                        return;
                    Mend(disk);
                    simulation.Note(node, $"attaches volume {volume}");
                    node.Attach(volume);
                });
            }
        }
    }

    /// <summary>Takes the faults out of a disk that nobody uses, or ends those that wait for their moment.</summary>
    public static void Mend(NodeDisk disk)
    {
        if (disk.IsClosed)
            disk.Data.Mend();
        disk.WriteFailure = null;
        disk.FlushFails = false;
        disk.IsFull = false;
        disk.HangsUntilUs = 0;
        disk.Metadata.Failure = null;
    }

    private static string Words(CommandResult answer) => answer.ExitCode == 0 ? "done" : $"exit {answer.ExitCode}: {answer.Message}";

    // By another way than the replication's: it reaches the peer's daemon, or says that it does not.
    private void Fence(SimNode node, int tries, Action<int> ended)
    {
        SimNode peer = simulation.Other(node);
        if (peer.IsFrozen)
        {
            End(1);
            return;
        }

        if (!peer.IsAlive || simulation.FaultChance.OneIn(8))
        {
            End(5);
            return;
        }

        // Its process may end before it has answered.
        int life = node.Life;
        (SimNode, Action) asked = default;
        asked = (peer, () =>
        {
            _asked.Remove(asked);
            if (life == node.Life)
                End(1);
        }
        );
        _asked.Add(asked);
        peer.Command(new OperatorCommand(OperatorVerb.Outdate), answer =>
        {
            _asked.Remove(asked);
            if (life != node.Life)
                return;
            if (answer.ExitCode == 0)
                End(4);
            else if (answer.ExitCode == 17)
                End(3);
            else if (peer.IsPrimary)
                End(6);
            else if (tries > 0)
                node.Post(1_000_000, () => Fence(node, tries - 1, ended));
            else
                End(1);
        });

        void End(int code)
        {
            simulation.Note(node, $"fence-peer ends with {code}");
            node.Post(1_000, () => ended(code));
        }
    }
}
