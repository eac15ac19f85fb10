using BlockRepl.Core;

namespace BlockRepl.Sim.Run;

/// <summary>
/// One run: two nodes, their disks, the network between them, clients and an operator, in one thread and under one seed. First a time of faults (safety), then all is healed and the two must get together (liveness).
/// A broken promise is a <see cref="ViolationException"/>, a broken invariant of the engine its own exception.
/// </summary>
internal sealed class Simulation
{
    /// <summary>Simulated time within which healed nodes must be connected, in sync and idle.</summary>
    public const long HealingUs = 300_000_000;

    private static readonly PeerId Peer = new(0);
    private readonly List<string> _trace = [];
    private ulong _links;
    private bool _isDialDue;

    public Simulation(ulong seed, RunPlan plan, bool isTracing = false)
    {
        Seed = seed;
        Plan = plan;
        IsTracing = isTracing;
        CoreChance = new Prng(seed ^ 0xC0DE);
        NetChance = new Prng(seed ^ 0x4E77);
        DiskChance = new Prng(seed ^ 0xD15C);
        WorkChance = new Prng(seed ^ 0x3012);
        FaultChance = new Prng(seed ^ 0xFA17);
        Oracle = new Oracle(plan.Volumes);
        Nodes = [new SimNode(this, 0, plan.SettingsOf(0)), new SimNode(this, 1, plan.SettingsOf(1))];
        Work = new Workload(this);
        Operator = new OperatorDesk(this);
        Watch = new StateWatch(this);
    }

    public ulong Seed { get; }

    public RunPlan Plan { get; }

    public bool IsTracing { get; }

    public Clock Clock { get; } = new();

    public Statistics Statistics { get; } = new();

    /// <summary>Chance apart for each part of the world, so that one does not shift another's.</summary>
    public Prng CoreChance { get; }

    public Prng NetChance { get; }

    public Prng DiskChance { get; }

    public Prng WorkChance { get; }

    public Prng FaultChance { get; }

    public Oracle Oracle { get; }

    public StateWatch Watch { get; }

    public SimNode[] Nodes { get; }

    public List<SimLink> Links { get; } = [];

    public Workload Work { get; }

    public OperatorDesk Operator { get; }

    public ulong DiskSerials { get; set; }

    /// <summary>No connection comes up before that time.</summary>
    public long PartitionedUntilUs { get; set; }

    /// <summary>The two have been in sync once.</summary>
    public bool IsSetUp { get; private set; }

    /// <summary>A disk was full: a refused write may have reached the peer.</summary>
    public bool WasFull { get; set; }

    /// <summary>Another protocol than C was in force for a time: a failover may lose what was acknowledged.</summary>
    public bool WasWeak { get; set; }

    /// <summary>What has happened, a line each.</summary>
    public IReadOnlyList<string> Trace => _trace;

    public SimNode Other(SimNode node) => Nodes[1 - node.Index];

    /// <summary>Runs it to its end. The safety phase ends sooner if it has gone on for <paramref name="safetyUs"/>.</summary>
    public void Run(long safetyUs)
    {
        Note(null, Plan.ToString());
        SetUp();
        var disasters = new Disasters(this);
        disasters.PostNext();
        Work.Disasters = disasters;
        Operator.LookRound();
        long end = Clock.NowUs + Math.Min(safetyUs, Plan.SafetyUs);
        long nextCheck = Clock.NowUs;
        while (Clock.NowUs < end && Statistics.Operations < Plan.OperationsMax)
        {
            Clock.Step(end);
            if (Clock.NowUs < nextCheck)
                continue;
            nextCheck = Clock.NowUs + 200_000;
            CheckIfIdle();
            if (Plan.HasRarePauses && WorkChance.OneIn(20))
                Work.RestsUntilUs = Clock.NowUs + 2_000_000;
        }

        disasters.IsOver = true;
        CheckRecords();
        new Healing(this).Run();
        Statistics.Seeds = 1;
        Statistics.SimulatedUs = Clock.NowUs - 1_000_000_000;
    }

    /// <summary>A line of the trace.</summary>
    public void Note(SimNode? node, string what)
    {
        if (IsTracing)
            _trace.Add(FormattableString.Invariant($"{(Clock.NowUs - 1_000_000_000) / 1e6,11:F6} {node?.Name ?? "",-5} {what}"));
    }

    /// <summary>The node is alive and has a connection, of whatever state, or its peer may have what it sent.</summary>
    public bool IsPeerThere(int node) => !Nodes[node].IsAlive || Nodes[node].LiveLink is not null;

    /// <summary>Alpha dials when it wants a connection.</summary>
    public void DialSoon()
    {
        if (_isDialDue)
            return;
        _isDialDue = true;
        long pause = Nodes[0].IsAlive ? Nodes[0].Status.RedialPauseMs(Peer) * 1000 : 0;
        Clock.In(pause + 1_000 + NetChance.Below(NetChance.OneIn(4) ? 1_000_000 : 50_000), Dial);
    }

    /// <summary>G8, at this moment.</summary>
    public void CheckRecords()
    {
        for (int v = 0; v < Plan.Volumes; v++)
        {
            Statistics.RecordChecks++;
            if (RecordCheck.Check(Nodes[0], Nodes[1], v) is { } wrong)
                throw new ViolationException("G8", wrong);
        }
    }

    /// <summary>Nothing is under way anywhere.</summary>
    public bool IsIdle()
    {
        foreach (SimNode node in Nodes)
        {
            if (!node.IsAlive || node.IsFrozen || !node.Status.IsIdle || Array.Exists(node.Disks, static disk => !disk.IsQuiet))
                return false;
        }

        return Work.InFlight == 0 && Links.TrueForAll(static link => link.IsIdle);
    }

    /// <summary>In sync and idle: the disks must be equal (G5), and hold what they must.</summary>
    public void CheckIfIdle()
    {
        if (!Watch.IsAllInSync || !IsIdle())
            return;
        Statistics.IdenticalChecks++;
        for (int v = 0; v < Plan.Volumes; v++)
        {
            SimDisk one = Nodes[0].Disks[v].Data;
            SimDisk other = Nodes[1].Disks[v].Data;
            foreach (long block in one.Blocks.Concat(other.Blocks))
            {
                if (!one[block].AsSpan().SequenceEqual(other[block]) && !WasFull)
                    throw new ViolationException("G5", $"volume {v}, block {block} differs although the nodes are in sync and idle");
            }

            Oracle.NoteIdleInSync(v);
        }

        foreach (SimNode node in Nodes)
        {
            if (!WasFull && Oracle.Check(node.Index, [.. node.Disks.Select(static disk => disk.Data)], isPrefix: false) is { } wrong)
                throw new ViolationException("G1-G3", wrong);
        }
    }

    private void SetUp()
    {
        foreach (SimNode node in Nodes)
            node.Start();
        bool isFull = FaultChance.OneIn(6);
        long end = Clock.NowUs + 60_000_000;
        while (Clock.NowUs < end && !(StatusReading.IsConnected(Nodes[0]) && StatusReading.IsConnected(Nodes[1])))
            Clock.Step(end);
        if (isFull)
            Operator.Promote(Nodes[0], force: true);
        else
            Operator.Command(Nodes[0], new OperatorCommand(OperatorVerb.SkipInitialSync));
        long patience = Clock.NowUs + 20_000_000;
        while (Clock.NowUs < end && !Watch.IsAllInSync)
        {
            // Under load a Primary that pulls ahead at a few kilobytes does so again as soon as its peer has caught up; and as long as no peer has anything stable, the oracle can forget nothing.
            if (Clock.NowUs > patience || Statistics.Operations > 2_000)
                Work.RestsUntilUs = Clock.NowUs + 1_000_000;
            Clock.Step(end);
        }

        if (!Watch.IsAllInSync)
            throw new ViolationException("liveness", "fresh nodes do not get in sync");
        IsSetUp = true;
        if (!isFull)
            Operator.Promote(Nodes[0], force: false);
    }

    private void Dial()
    {
        _isDialDue = false;
        SimNode dialler = Nodes[0];
        if (!dialler.IsAlive || !dialler.WantsLink)
            return;
        if (dialler.IsFrozen || !Nodes[1].IsAlive || Nodes[1].IsFrozen || PartitionedUntilUs > Clock.NowUs)
        {
            DialSoon();
            return;
        }

        Links.RemoveAll(static link => link.Ends[0].IsClosed && link.Ends[1].IsClosed);
        var link = new SimLink(this, new LinkId(++_links));
        Links.Add(link);
        Statistics.Connections++;
        Note(null, $"connection {_links} comes up");
        dialler.LinkUp(link.Ends[0]);
    }
}
