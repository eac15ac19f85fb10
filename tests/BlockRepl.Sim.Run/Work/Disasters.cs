using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>Faults and deeds at random moments, each of a kind that the plan allows.</summary>
internal sealed class Disasters(Simulation simulation)
{
    // How often each is drawn, beside the others; one that cannot happen at the moment is drawn again.
    private static readonly Fault[] Kinds = [.. Enum.GetValues<Fault>().SelectMany(static fault => Enumerable.Repeat(fault, fault switch
    {
        Fault.Handover or Fault.ClientReconnect => 8,
        Fault.LinkLost or Fault.LinkSilent or Fault.LinkHalf or Fault.Stall or Fault.CorruptFrame or Fault.Demote or Fault.InvalidateRemote => 4,
        Fault.Kill or Fault.PowerCut or Fault.Freeze or Fault.PauseSync or Fault.Verify or Fault.RecklessPromotion => 3,
        Fault.Partition or Fault.DiskHang or Fault.MetadataRot or Fault.Invalidate or Fault.Detach or Fault.Disconnect or Fault.Settings or Fault.SuspendIo or Fault.Restart => 2,
        _ => 1,
    }))];
    private int _growths;
    private int _turn;
    private long _dueAtOperations = long.MaxValue;

    /// <summary>None happens any more.</summary>
    public bool IsOver { get; set; }

    private Prng Chance => simulation.FaultChance;

    /// <summary>
    /// Asks for the next one. It comes once clients have done some work since the last, so that it does not find a cluster that is idle, down or done; or after a time, where nobody is served. One in four comes at
    /// once: into what the last one began.
    /// </summary>
    public void PostNext()
    {
        RunPlan plan = simulation.Plan;
        int turn = ++_turn;
        bool isAtOnce = Chance.OneIn(4);
        _dueAtOperations = isAtOnce ? long.MaxValue : simulation.Statistics.Operations + 1 + Chance.Below(2 * plan.OperationsPerFault);
        long wait = isAtOnce ? Chance.Below(400_000) : plan.FaultIntervalUs / 4 + Chance.Below(plan.FaultIntervalUs * 3 / 2);
        simulation.Clock.In(wait, () => Next(turn));
    }

    /// <summary>A client has its answer.</summary>
    public void OperationDone()
    {
        if (simulation.Statistics.Operations < _dueAtOperations)
            return;
        _dueAtOperations = long.MaxValue;
        int turn = _turn;
        simulation.Clock.In(Chance.Below(2_000), () => Next(turn));
    }

    private void Next(int turn)
    {
        if (IsOver || turn != _turn)
            return;
        for (int tries = 0; tries < 4; tries++)
        {
            Fault fault = Kinds[Chance.Below(Kinds.Length)];
            SimNode node = simulation.Nodes[Chance.Below(2)];
            if (!simulation.Plan.Has(fault) || !Do(fault, node))
                continue;

            // What waits for its moment is counted when it happens.
            if (fault is not (Fault.WriteError or Fault.FlushError))
                simulation.Statistics.Count(fault);
            break;
        }

        PostNext();
    }

    private bool Do(Fault fault, SimNode node) => fault switch
    {
        Fault.Kill or Fault.PowerCut or Fault.KillBoth or Fault.PowerCutBoth => Die(fault, node),
        Fault.LinkLost or Fault.LinkSilent or Fault.LinkHalf or Fault.Partition or Fault.Stall or Fault.CorruptFrame => Network(fault, node),
        Fault.Freeze => Freeze(node),
        Fault.ReadError or Fault.WriteError or Fault.FlushError or Fault.MetadataError or Fault.MetadataRot or Fault.DiskHang or Fault.DiskFull => Disk(fault, node),
        Fault.ClientReconnect => IsAwake(node) && simulation.Work.BreakOne(node, Chance),
        Fault.RecklessPromotion or Fault.Handover or Fault.Demote => Roles(fault, node),
        _ => IsAwake(node) && simulation.IsSetUp && Deed(fault, node),
    };

    private static bool IsAwake(SimNode node) => node.IsAlive && !node.IsFrozen;

    private bool Die(Fault fault, SimNode node)
    {
        if (!node.IsAlive)
            return false;
        bool both = fault is Fault.KillBoth or Fault.PowerCutBoth;
        bool isPower = fault is Fault.PowerCut or Fault.PowerCutBoth;
        if (both && Chance.OneIn(2))
            return false;

        // Of two that lose power together neither may know of the other's end.
        SimNode[] dying = both ? [node, simulation.Other(node)] : [node];
        foreach (SimNode one in dying)
        {
            if (!one.IsAlive)
                continue;
            simulation.Operator.DiedInSync[one.Index] = StatusReading.SeesInSync(one);
            simulation.Note(one, isPower ? "loses power" : "is killed");
            if (isPower)
            {
                one.PowerCut(Chance);
                simulation.Oracle.NotePowerCut(one.Index);
                simulation.Watch.HasLostPower[one.Index] = true;

                // What it finds when it starts has changed at times: just now it matters.
                if (simulation.Plan.Has(Fault.MetadataRot) && Chance.OneIn(2) && RottenMetadata.Take(simulation, one, Chance.Below(one.Disks.Length), isDown: true))
                    simulation.Statistics.Count(Fault.MetadataRot);
            }
            else
            {
                one.Kill(Chance, tellsPeer: !Chance.OneIn(4));
            }
        }

        simulation.CheckRecords();
        return true;
    }

    private bool Network(Fault fault, SimNode node)
    {
        if (fault == Fault.Partition)
        {
            if (simulation.PartitionedUntilUs > simulation.Clock.NowUs)
                return false;
            simulation.PartitionedUntilUs = simulation.Clock.NowUs + 500_000 + Chance.Below(25_000_000);
            simulation.Note(null, $"the network is partitioned for {(simulation.PartitionedUntilUs - simulation.Clock.NowUs) / 1000} ms");
            foreach (SimLink link in simulation.Links)
                link.IsDead = true;
            return true;
        }

        SimNode peer = simulation.Other(node);
        if (node.LiveLink is not { } end || end.Link.IsDead)
            return false;
        switch (fault)
        {
            case Fault.LinkSilent:
                simulation.Note(null, "the connection is dead, and nobody is told");
                end.Link.IsDead = true;
                return true;
            case Fault.LinkHalf:
                simulation.Note(node, "loses the connection; what it has sent arrives");
                node.Post(0, () => end.EndOf(ConnectionState.NetworkFailure, "the connection was reset"));
                return true;
            case Fault.LinkLost:
                simulation.Note(null, "the connection is lost");
                end.Link.IsDead = true;
                foreach (SimNode one in simulation.Nodes)
                {
                    SimLinkEnd at = end.Link.Ends[one.Index];
                    if (one.IsAlive && at.IsBound)
                        one.Post(Chance.Below(200_000), () => at.EndOf(ConnectionState.BrokenPipe, "the connection was lost"));
                }

                return true;
            case Fault.Stall:
                end.StalledUntilUs = simulation.Clock.NowUs + 100_000 + Chance.Below(Chance.OneIn(3) ? 20_000_000 : 1_500_000);
                simulation.Note(node, $"hears nothing for {(end.StalledUntilUs - simulation.Clock.NowUs) / 1000} ms, but is heard");
                return true;
            default:
                if (peer.LiveLink?.Link != end.Link)
                    return false;
                end.CorruptsNext = true;
                return true;
        }
    }

    private bool Freeze(SimNode node)
    {
        if (!IsAwake(node))
            return false;
        node.FrozenUntilUs = simulation.Clock.NowUs + 100_000 + Chance.Below(Chance.OneIn(3) ? 30_000_000 : 2_000_000);
        simulation.Note(node, $"is stopped for {(node.FrozenUntilUs - simulation.Clock.NowUs) / 1000} ms");
        return true;
    }

    private bool Disk(Fault fault, SimNode node)
    {
        int volume = Chance.Below(node.Disks.Length);
        NodeDisk disk = node.Disks[volume];
        switch (fault)
        {
            case Fault.ReadError:
                simulation.Note(node, $"volume {volume}: a block becomes unreadable");
                return disk.Data.MakeUnreadable(Chance);
            case Fault.WriteError:
                if (disk.IsDetached)
                    return false;
                simulation.Note(node, $"volume {volume}: the next write fails");
                disk.WriteFailure = DiskResult.Io;
                return true;
            case Fault.FlushError:
                if (disk.IsDetached)
                    return false;
                simulation.Note(node, $"volume {volume}: the next flush fails");
                disk.FlushFails = true;
                return true;
            case Fault.MetadataError:
                if (disk.IsDetached || Chance.OneIn(2))
                    return false;
                simulation.Note(node, $"volume {volume}: the next metadata write fails");
                disk.Metadata.Failure = DiskResult.Io;
                return true;
            case Fault.MetadataRot:
                return RottenMetadata.Take(simulation, node, volume);
            case Fault.DiskFull:
                if (disk.IsFull || disk.IsDetached)
                    return false;
                simulation.Note(node, $"volume {volume}: the disk is full");
                disk.IsFull = true;
                simulation.WasFull = true;
                simulation.Clock.In(500_000 + Chance.Below(10_000_000), () => disk.IsFull = false);
                return true;
            default:
                if (!IsAwake(node) || disk.IsDetached)
                    return false;
                disk.HangsUntilUs = simulation.Clock.NowUs + 200_000 + Chance.Below(Chance.OneIn(3) ? 20_000_000 : 2_000_000);
                simulation.Note(node, $"volume {volume}: the disk hangs for {(disk.HangsUntilUs - simulation.Clock.NowUs) / 1000} ms");
                return true;
        }
    }

    private bool Roles(Fault fault, SimNode node)
    {
        if (!IsAwake(node) || !simulation.IsSetUp)
            return false;
        if (fault == Fault.RecklessPromotion)
        {
            if (node.IsPrimary)
                return false;
            simulation.Operator.Promote(node, force: Chance.OneIn(3));
            return true;
        }

        if (!node.IsPrimary || simulation.Operator.IsDemoting[node.Index])
            return false;
        SimNode peer = simulation.Other(node);
        simulation.Operator.Demote(node, fault == Fault.Demote ? null : () =>
        {
            if (IsAwake(peer) && simulation.Operator.MaySanelyPromote(peer))
                simulation.Operator.Promote(peer, force: false);
        });
        return true;
    }

    private bool Deed(Fault fault, SimNode node)
    {
        OperatorDesk desk = simulation.Operator;
        var volume = new VolumeNr((ushort)Chance.Below(node.Disks.Length));
        switch (fault)
        {
            case Fault.Disconnect:
                desk.Command(node, new OperatorCommand(OperatorVerb.Disconnect));
                node.Post(200_000 + Chance.Below(8_000_000), () => desk.Command(node, new OperatorCommand(OperatorVerb.Connect)));
                return true;
            case Fault.Verify:
                desk.Command(node, new OperatorCommand(OperatorVerb.Verify) { Verify = new VerifyOptions { StartBytes = 0, Repair = Chance.OneIn(2) } });
                return true;
            case Fault.Invalidate:
                if (node.IsPrimary || (!simulation.Plan.IsReckless && !simulation.Watch.IsAllInSync))
                    return false;
                desk.Invalidate(node, OperatorVerb.Invalidate, victim: node.Index);
                return true;
            case Fault.InvalidateRemote:
                if (!node.IsPrimary || (!simulation.Plan.IsReckless && !simulation.Watch.IsAllInSync))
                    return false;
                desk.Invalidate(node, OperatorVerb.InvalidateRemote, victim: 1 - node.Index);
                return true;
            case Fault.PauseSync:
                desk.Command(node, new OperatorCommand(OperatorVerb.PauseSync));
                node.Post(100_000 + Chance.Below(6_000_000), () => desk.Command(node, new OperatorCommand(OperatorVerb.ResumeSync)));
                return true;
            case Fault.SuspendIo:
                desk.Command(node, new OperatorCommand(OperatorVerb.SuspendIo));
                node.Post(100_000 + Chance.Below(4_000_000), () => desk.Command(node, new OperatorCommand(OperatorVerb.ResumeIo)));
                return true;
            case Fault.Outdate:
                if (node.IsPrimary)
                    return false;
                desk.Command(node, new OperatorCommand(OperatorVerb.Outdate));
                return true;
            case Fault.Detach:
                desk.Command(node, new OperatorCommand(OperatorVerb.Detach) { Volume = volume });
                return true;
            case Fault.Settings:
                ResourceSettings settings = node.Settings with
                {
                    ResyncImpactPercent = Chance.OneIn(2) ? 100 : 10,
                    ResyncChecksums = (ResyncChecksums)Chance.Below(3),
                    EpochWritesMax = Chance.OneIn(2) ? 8 : 4096,
                    Protocol = Chance.OneIn(3) ? (WriteProtocol)(1 + Chance.Below(3)) : node.Settings.Protocol,
                };
                simulation.WasWeak |= settings.Protocol != WriteProtocol.C;
                simulation.Note(node, $"has new settings: protocol {settings.Protocol}");
                node.Reconfigure(settings);
                return true;
            case Fault.Resize:
                if (_growths == 2)
                    return false;
                _growths++;
                foreach (SimNode one in simulation.Nodes)
                    one.Disks[volume.Value].Data.SizeBytes += 8 << 20;
                desk.Command(node, new OperatorCommand(OperatorVerb.Resize) { Volume = volume });
                return true;
            default:
                desk.DiedInSync[node.Index] = StatusReading.SeesInSync(node);
                desk.IsDemoting[node.Index] = true;
                desk.Command(node, new OperatorCommand(OperatorVerb.Down), answer =>
                {
                    if (answer.ExitCode != 0)
                    {
                        desk.IsDemoting[node.Index] = false;
                        simulation.Work.Start(node);
                        return;
                    }

                    simulation.Note(node, "ends in good order");
                    node.Kill(Chance, tellsPeer: true);
                });
                return true;
        }
    }
}
