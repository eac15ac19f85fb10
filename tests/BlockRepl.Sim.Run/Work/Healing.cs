using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// The liveness phase: every fault ends, stopped nodes are started, and a person does what the documents say about what <c>status</c> shows. Within <see cref="Simulation.HealingUs"/> both nodes must be Connected,
/// UpToDate/UpToDate, idle and equal, every request answered, every buffer back.
/// </summary>
internal sealed class Healing(Simulation simulation)
{
    private static readonly PeerId Peer = new(0);

    /// <summary>Heals, and checks that it has helped.</summary>
    public void Run()
    {
        simulation.Note(null, "everything is healed");
        simulation.Work.IsStopped = true;
        simulation.Operator.IsHealing = true;
        simulation.PartitionedUntilUs = 0;
        long start = simulation.Clock.NowUs;
        long end = start + Simulation.HealingUs;
        foreach (NodeDisk disk in simulation.Nodes.SelectMany(node => node.Disks))
            OperatorDesk.Mend(disk);
        foreach (SimLinkEnd linkEnd in simulation.Links.SelectMany(link => link.Ends))
        {
            linkEnd.StalledUntilUs = 0;
            linkEnd.CorruptsNext = false;
        }

        for (int round = 0; !IsWell(); round++)
        {
            if (simulation.Clock.NowUs >= end)
                throw new ViolationException("liveness", $"healed nodes are not well after {Simulation.HealingUs / 1_000_000} s: {Describe()}");
            Help(round);

            // Not always in step with the pings: then there would be one under way at each look.
            long until = simulation.Clock.NowUs + 1_000_000 + round % 7 * 13_000;
            while (simulation.Clock.Step(until) && !IsWell())
            {
                // Until the next look.
            }
        }

        simulation.Note(null, "all is well");
        simulation.CheckIfIdle();
        simulation.CheckRecords();
        foreach (SimNode node in simulation.Nodes)
        {
            if (node.Pool.RentedCount != 0)
                throw new ViolationException("buffers", $"{node.Name} has {node.Pool.RentedCount} buffers that nobody gave back");
        }
    }

    private bool IsWell()
    {
        if (!simulation.Watch.IsAllInSync || !simulation.IsIdle())
            return false;
        foreach (SimNode node in simulation.Nodes)
        {
            if (node.HandlersRunning > 0 || node.Status.Suspended.Length > 0)
                return false;
            for (ushort v = 0; v < node.Disks.Length; v++)
            {
                if (node.Status.OutOfSyncBlocks(new VolumeNr(v), Peer) != 0 || node.Status.ReplicationState(new VolumeNr(v), Peer) != ReplicationState.Established)
                    return false;
            }
        }

        return true;
    }

    private string Describe() => string.Join("; ", simulation.Nodes.Select(Describe))
        + string.Concat(simulation.Links.Where(static link => !link.IsIdle).Select(link => $"; connection {link.Id.Value} is not idle{(link.HasLost ? ", has lost a frame" : "")}"));

    private string Describe(SimNode node)
    {
        if (!node.IsAlive)
            return $"{node.Name} is down";
        ResourceStatusReader status = node.Status;
        string volumes = string.Join(", ", Enumerable.Range(0, node.Disks.Length).Select(v => new VolumeNr((ushort)v)).Select(nr =>
            $"{status.DiskState(nr)}/{status.PeerDiskState(nr, Peer)} {status.ReplicationState(nr, Peer)} {status.OutOfSyncBlocks(nr, Peer)} blocks{(node.Disks[nr.Value].IsQuiet ? "" : " busy")} {string.Join(" ", status.WaitingFor(nr))}"));
        return $"{node.Name} {status.Role} {status.ConnectionState(Peer)} {status.Detail(Peer)}: {volumes}{(status.IsIdle ? "" : ", not idle")}{(node.HandlersRunning > 0 ? $", {node.HandlersRunning} handlers" : "")}"
            + $"{string.Concat(status.Suspended.Select(reason => $", suspended: {reason.Word} {reason.Detail}"))}{string.Concat(simulation.Work.Describe(node.Index).Select(request => $", waits: {request}"))}";
    }

    private void Help(int round)
    {
        OperatorDesk desk = simulation.Operator;
        foreach (SimNode node in simulation.Nodes)
        {
            if (!node.IsAlive)
            {
                node.Start();
                continue;
            }

            if (round % 5 == 0)
            {
                desk.Command(node, new OperatorCommand(OperatorVerb.ResumeIo));
                desk.Command(node, new OperatorCommand(OperatorVerb.ResumeSync));
            }
        }

        desk.BringBackDisks(all: true);
        MakeFilesEqual();
        if (round % 5 == 4 && (simulation.Plan.IsOldPeer || simulation.Watch.HasFoundDifferences) && simulation.Watch.IsAllInSync && simulation.IsIdle())
            ConnectAnew(desk);
        if (round % 5 != 4 || !Array.TrueForAll(simulation.Nodes, node => node.IsAlive) || simulation.Watch.IsAllInSync)
            return;
        bool isSplit = Array.Exists(simulation.Nodes, IsSplit);
        if (!isSplit && Array.Exists(simulation.Nodes, NeedsForce))
            isSplit = round > 20;
        if (isSplit)
            ResolveSplitBrain(desk, round);
        else
            ConnectAgain(desk);
        if (round > 20)
            ForceWhereNobodyIsGood(desk, round);
    }

    // After a change the two files must be equal again (docs/operating.md). Which of the two it was before nobody is told; a person copies one of them, and says adjust.
    private void MakeFilesEqual()
    {
        SimNode alpha = simulation.Nodes[0];
        SimNode beta = simulation.Nodes[1];
        if (!alpha.IsAlive || !beta.IsAlive || !alpha.Status.Detail(Peer).Contains("the configurations differ", StringComparison.Ordinal))
            return;
        simulation.Note(beta, $"is given alpha's file: protocol {alpha.Settings.Protocol}");
        beta.Reconfigure(beta.Settings with { Protocol = alpha.Settings.Protocol });
    }

    // What a verify found is kept until the nodes next connect (docs/operating.md). With a peer of version 1 what a full disk refused is resynced only when the two next connect (STATUS.md, G5).
    private void ConnectAnew(OperatorDesk desk)
    {
        if (Array.Exists(simulation.Nodes, node => Array.Exists(node.Disks, static disk => disk.IsFull)))
            return;
        foreach (SimNode node in simulation.Nodes)
        {
            bool isMarked = Enumerable.Range(0, node.Disks.Length).Any(v => node.Status.OutOfSyncBlocks(new VolumeNr((ushort)v), Peer) != 0);
            if (!isMarked || !node.IsPrimary)
                continue;
            desk.Command(node, new OperatorCommand(OperatorVerb.Disconnect), _ => desk.Command(node, new OperatorCommand(OperatorVerb.Connect)));
            return;
        }
    }

    private bool IsSplit(SimNode node)
    {
        for (ushort v = 0; v < node.Disks.Length; v++)
        {
            if (node.Status.Verdict(new VolumeNr(v), Peer).Result == SyncResult.SplitBrain)
                return true;
        }

        return false;
    }

    private static bool IsHalf(SimNode node) =>
        Enumerable.Range(0, node.Disks.Length).Any(v => node.Status.DiskState(new VolumeNr((ushort)v)) == DiskState.Inconsistent);

    private bool NeedsForce(SimNode node) => node.Status.ConnectionState(Peer) == ConnectionState.StandAlone && node.IsPrimary && simulation.Other(node).IsPrimary;

    private void ConnectAgain(OperatorDesk desk)
    {
        // A Primary is never overwritten: whose data is the older has to be demoted first.
        foreach (SimNode node in simulation.Nodes)
        {
            // With rr-conflict retry-connect the nodes try again until somebody does.
            bool isRefused = node.Status.ConnectionState(Peer) == ConnectionState.Connecting && node.Status.Detail(Peer).Contains("is Primary", StringComparison.Ordinal);
            bool isEach = node.Status.Detail(Peer).Contains("both nodes are Primary", StringComparison.Ordinal);
            if (node.Status.ConnectionState(Peer) != ConnectionState.StandAlone && !isRefused && !isEach)
                continue;
            if (node.IsPrimary)
                desk.Demote(node);
            desk.Command(node, new OperatorCommand(OperatorVerb.Connect));
        }
    }

    // The victim gives way: it is demoted, and connects with what says so.
    private void ResolveSplitBrain(OperatorDesk desk, int round)
    {
        if (!simulation.Plan.IsReckless && !simulation.Watch.MaySplit)
            throw new ViolationException("G7", $"a split brain although nobody promoted what he should not: {Describe()}");
        SimNode victim = simulation.Nodes[simulation.FaultChance.Below(2)];
        SimNode survivor = simulation.Other(victim);

        // Each has a volume of which nothing is left but half a resync, so that neither can lose to the other: a person says that one of them counts as it is.
        if (round > 60 && !victim.IsPrimary && !survivor.IsPrimary && Array.TrueForAll(simulation.Nodes, IsHalf))
        {
            desk.Promote(survivor, force: true);
            return;
        }

        if (victim.IsPrimary)
        {
            desk.Demote(victim);
            return;
        }

        simulation.Oracle.IsVictim[victim.Index] = true;
        desk.Command(victim, new OperatorCommand(OperatorVerb.Connect) { DiscardMyData = true });
        desk.Command(survivor, new OperatorCommand(OperatorVerb.Connect));
    }

    private void ForceWhereNobodyIsGood(OperatorDesk desk, int round)
    {
        // A Primary without a disk takes one back only from a peer that serves it.
        foreach (SimNode node in simulation.Nodes)
        {
            if (node.IsPrimary && Array.Exists(node.Disks, static disk => disk.IsClosed))
                desk.Demote(node);
        }

        if (Array.Exists(simulation.Nodes, node => node.IsPrimary || Array.Exists(node.Disks, static disk => disk.IsClosed) || (round < 60 && !StatusReading.IsConnected(node))))
            return;

        // One volume that nobody has keeps the nodes from connecting over the others, too.
        VolumeNr[] volumes = [.. Enumerable.Range(0, simulation.Plan.Volumes).Select(v => new VolumeNr((ushort)v))];
        if (Array.TrueForAll(volumes, nr => Array.Exists(simulation.Nodes, node => node.Status.DiskState(nr) == DiskState.UpToDate)))
            return;

        // A person has to say whose data counts: who has everything, or else the node with the better disks. Inconsistent is what is left of a resync, whatever was there before.
        int[] worth = [.. simulation.Nodes.Select(node => Worth(node, volumes))];
        SimNode chosen = simulation.Nodes[worth[1] > worth[0] ? 1 : 0];
        if (!simulation.Plan.IsReckless && !simulation.Oracle.HasEverything(chosen.Index))
            throw new ViolationException("liveness", $"no node has UpToDate data, and neither has everything: {Describe()}");
        desk.Promote(chosen, force: true);
    }

    private int Worth(SimNode node, VolumeNr[] volumes)
    {
        const int Everything = 1_000;
        bool isWhole = Array.TrueForAll(volumes, nr => node.Status.DiskState(nr) > DiskState.Inconsistent);
        return (isWhole && simulation.Oracle.HasEverything(node.Index) ? Everything : 0) + volumes.Sum(nr => (int)node.Status.DiskState(nr));
    }
}
