using BlockRepl.Core;
using BlockRepl.Primitives;

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
    private readonly bool[] _isInSync;
    private readonly bool[] _hasChanged = new bool[2];
    private readonly Role[] _roles = new Role[2];
    private readonly ConnectionState[] _connections = new ConnectionState[2];
    private readonly DiskState[,] _diskStates;
    private readonly ReplicationState[,] _replication;
    private readonly bool[,] _isSplit;
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
        _isInSync = new bool[plan.Volumes];
        _diskStates = new DiskState[2, plan.Volumes];
        _replication = new ReplicationState[2, plan.Volumes];
        _isSplit = new bool[2, plan.Volumes];
        Array.Fill(_roles, Role.Secondary);
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

    /// <summary>Nodes that lost power since all was last in sync.</summary>
    public bool[] HasLostPower { get; } = new bool[2];

    /// <summary>Every volume is in sync on both nodes.</summary>
    public bool IsAllInSync => Array.TrueForAll(_isInSync, static one => one);

    /// <summary>A volume is in sync on both nodes.</summary>
    public bool IsInSync(int volume) => _isInSync[volume];

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

    /// <summary>Core logs a line.</summary>
    public void Logged(SimNode node, string text)
    {
        if (IsTracing)
            Note(node, $"  logs: {text}");
        if (text.Contains(": resync done as target", StringComparison.Ordinal))
            ResyncedAsTarget(node, text);
        int at = text.IndexOf("connection lost: ", StringComparison.Ordinal);
        if (at < 0)
            return;
        string reason = text[(at + "connection lost: ".Length)..];
        reason = reason[..reason.IndexOf(':', StringComparison.Ordinal)];

        // Momentary states are left within the event: only the log has them.
        if (_connections[node.Index] is ConnectionState.Connected or ConnectionState.Connecting)
        {
            Statistics.Coverage.Take("connection", _connections[node.Index].ToString(), reason);
            Statistics.Coverage.Take("connection", reason, "Unconnected");
            Statistics.Coverage.Take("connection", "Unconnected", "Connecting");
            _connections[node.Index] = ConnectionState.Connecting;
        }
    }

    /// <summary>The node's side of the connection says Connected.</summary>
    public static bool IsConnected(SimNode node) => node.IsAlive && node.Status.ConnectionState(Peer) == ConnectionState.Connected;

    /// <summary>The node is alive and has a connection, of whatever state, or its peer may have what it sent.</summary>
    public bool IsPeerThere(int node) => !Nodes[node].IsAlive || Nodes[node].LiveLink is not null;

    /// <summary>In the node's eyes all volumes are in sync.</summary>
    public bool SeesInSync(SimNode node)
    {
        for (int v = 0; v < Plan.Volumes; v++)
        {
            if (!SeesInSync(node, v))
                return false;
        }

        return true;
    }

    /// <summary>Nodes that a change has reached when it is answered, by what is promised.</summary>
    public static int HoldersOf(SimNode node, int volume)
    {
        int peer = 1 << (1 - node.Index);
        if (IsServed(node, volume))
            return peer;
        var nr = new VolumeNr((ushort)volume);
        ResourceStatusReader status = node.Status;
        int on = status.DiskState(nr) is DiskState.Diskless or DiskState.Failed or DiskState.Attaching ? 0 : 1 << node.Index;
        bool isMirrored = status.ConnectionState(Peer) == ConnectionState.Connected && status.ReplicationState(nr, Peer) is ReplicationState.Established or ReplicationState.VerifyS or ReplicationState.VerifyT
            && status.PeerDiskState(nr, Peer) == DiskState.UpToDate && status.ProtocolInForce(Peer) == WriteProtocol.C;
        return isMirrored || on == 0 ? on | peer : on;
    }

    /// <summary>
    /// The peer serves the volume in place of the node's own disk. That is gone, or the target of a resync: Inconsistent until its end, and nobody may be promoted on it (G9). So the server alone holds what is answered,
    /// although changes are written to both from the begin of the resync on.
    /// </summary>
    public static bool IsServed(SimNode node, int volume) => node.Status.ServedBy(new VolumeNr((ushort)volume)).Length > 0;

    /// <summary>The peer is there, and need not have what is acknowledged.</summary>
    public static bool IsWeak(SimNode node) => node.LiveLink is not null && node.Status.ProtocolInForce(Peer) != WriteProtocol.C;

    /// <summary>A promotion was forced: if the two are not in sync, the node has gone on by itself.</summary>
    public void NoteForced(int node)
    {
        _hasChanged[node] |= !IsAllInSync;
    }

    /// <summary>
    /// A client's change was asked of a node, or is under way there: if the two are not in sync, somebody goes on by himself. Where the node has no disk of its own for the volume that is the peer which serves it, whose disk alone
    /// changes (a split brain is one of disks, not of roles); what the node's own disk got of it before it failed counts for that.
    /// </summary>
    public void NoteChange(int node, int volume)
    {
        if (IsAllInSync)
            return;
        bool isServed = Nodes[node].Status.DiskState(new VolumeNr((ushort)volume)) is DiskState.Diskless or DiskState.Failed or DiskState.Attaching;
        _hasChanged[isServed ? 1 - node : node] = true;
    }

    /// <summary>Something that an operator can see has changed on a node.</summary>
    public void StateChanged(SimNode node)
    {
        DiskState[] before = [.. Enumerable.Range(0, Plan.Volumes).Select(v => _diskStates[node.Index, v])];
        TakeTransitions(node);
        Role role = node.Status.Role;
        if (role != _roles[node.Index])
        {
            Statistics.Coverage.Take("role", _roles[node.Index].ToString(), role.ToString());
            _roles[node.Index] = role;
            Note(node, $"is {role} now");
            if (role == Role.Primary)
                Promoted(node, before);
        }

        WatchForSplitBrain(node);
        bool wasAll = IsAllInSync;
        for (int v = 0; v < Plan.Volumes; v++)
            WatchForSync(v);
        if (wasAll && !IsAllInSync)
        {
            NoteChangesInFlight();
        }
        else if (!wasAll && IsAllInSync)
        {
            Oracle.NoteOneHistory();
            _hasChanged[0] = _hasChanged[1] = HasLostPower[0] = HasLostPower[1] = false;
        }

        if (role == Role.Primary && Nodes[1 - node.Index] is { IsPrimary: true } other && IsConnected(node) && IsConnected(other) && node.LiveLink is { Link.IsDead: false } link && link.Link == other.LiveLink?.Link)
            throw new ViolationException("G7", "two Primaries in one connection (hard part 20)");
    }

    /// <summary>A process has died.</summary>
    public void ProcessDied(SimNode node)
    {
        Work.NodeDied(node);
        Oracle.NoteDeath();
        _roles[node.Index] = Role.Secondary;
        _connections[node.Index] = ConnectionState.StandAlone;
        bool wasAll = IsAllInSync;
        for (int v = 0; v < Plan.Volumes; v++)
        {
            _isInSync[v] = false;
            _diskStates[node.Index, v] = DiskState.Diskless;
            _replication[node.Index, v] = ReplicationState.Off;
            _isSplit[node.Index, v] = false;
        }

        if (wasAll)
            NoteChangesInFlight();
        Operator.NodeDied(node);
    }

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
        if (!IsAllInSync || !IsIdle())
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

    // The target has it all, also if the connection ends before the source hears of it.
    private void ResyncedAsTarget(SimNode target, string text)
    {
        for (int v = 0; v < Plan.Volumes; v++)
        {
            if (!text.StartsWith($"mail/{Plan.Settings.Volumes[v]}@", StringComparison.Ordinal))
                continue;
            Statistics.Resyncs++;
            Oracle.NoteInSync(v, 1 - target.Index, Other(target).Disks[v].Data);
        }
    }

    private void SetUp()
    {
        foreach (SimNode node in Nodes)
            node.Start();
        bool isFull = FaultChance.OneIn(6);
        long end = Clock.NowUs + 60_000_000;
        while (Clock.NowUs < end && !(IsConnected(Nodes[0]) && IsConnected(Nodes[1])))
            Clock.Step(end);
        if (isFull)
            Operator.Promote(Nodes[0], force: true);
        else
            Operator.Command(Nodes[0], new OperatorCommand(OperatorVerb.SkipInitialSync));
        long patience = Clock.NowUs + 20_000_000;
        while (Clock.NowUs < end && !IsAllInSync)
        {
            // Under load a Primary that pulls ahead at a few kilobytes does so again as soon as its peer has caught up; and as long as no peer has anything stable, the oracle can forget nothing.
            if (Clock.NowUs > patience || Statistics.Operations > 2_000)
                Work.RestsUntilUs = Clock.NowUs + 1_000_000;
            Clock.Step(end);
        }

        if (!IsAllInSync)
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

    private static bool SeesInSync(SimNode node, int volume)
    {
        if (!node.IsAlive)
            return false;
        var nr = new VolumeNr((ushort)volume);
        ResourceStatusReader status = node.Status;
        return status.ConnectionState(Peer) == ConnectionState.Connected
            && status.DiskState(nr) == DiskState.UpToDate && status.PeerDiskState(nr, Peer) == DiskState.UpToDate
            && status.ReplicationState(nr, Peer) is ReplicationState.Established or ReplicationState.VerifyS or ReplicationState.VerifyT;
    }

    private void WatchForSync(int volume)
    {
        bool isInSync = SeesInSync(Nodes[0], volume) && SeesInSync(Nodes[1], volume)
            && Nodes[0].LiveLink is { } end && end.Link == Nodes[1].LiveLink?.Link;
        if (isInSync && !_isInSync[volume])
        {
            Oracle.NoteInSync(volume, null);
        }

        _isInSync[volume] = isInSync;
    }

    private void WatchForSplitBrain(SimNode node)
    {
        for (int v = 0; v < Plan.Volumes; v++)
        {
            bool wasSplit = _isSplit[node.Index, v];
            _isSplit[node.Index, v] = node.Status.Verdict(new VolumeNr((ushort)v), Peer).Result == SyncResult.SplitBrain;
            if (wasSplit || !_isSplit[node.Index, v])
                continue;
            Statistics.SplitBrains++;
            Note(node, "finds a split brain");
            if (!_hasChanged[0] || !_hasChanged[1])
                throw new ViolationException("G7", $"a split brain was invented: changed alone: alpha {_hasChanged[0]}, beta {_hasChanged[1]}");
            if (!Plan.IsReckless)
                throw new ViolationException("G7", "a split brain although nobody promoted what he should not");
        }
    }

    // What the disks were worth before: a promotion makes whatever it is let onto UpToDate.
    private void Promoted(SimNode node, DiskState[] before)
    {
        Statistics.Promotions++;
        Work.Start(node);

        // Force makes no difference where every disk is UpToDate: no generation begins with it, and a peer that went on meanwhile overwrites this node if it changes nothing.
        // Nor on a volume that the peer serves, with its own disk.
        SimDisk?[] own = [.. node.Disks.Select((disk, v) => IsServed(node, v) ? null : disk.Data)];
        bool isForced = Operator.IsForcing[node.Index] && Enumerable.Range(0, Plan.Volumes).Any(v => own[v] is not null && before[v] != DiskState.UpToDate);
        bool isLocal = true;
        for (int v = 0; v < Plan.Volumes; v++)
        {
            var nr = new VolumeNr((ushort)v);
            bool hasDisk = node.Status.DiskState(nr) == DiskState.UpToDate;
            bool isServed = node.Status.PeerDiskState(nr, Peer) == DiskState.UpToDate;
            isLocal &= hasDisk;
            if (!isForced && (hasDisk ? before[v] != DiskState.UpToDate : !isServed))
                throw new ViolationException("G6", $"{node.Name} was promoted without force on volume {v}, which is {before[v]}");
        }

        bool isStale = !Oracle.HasEverything(node.Index, own);
        if (isForced)
        {
            // Half of a resync is what it is: neither what this node had before nor what the source has. What the source has is another history from here on, although it changes nothing more.
            bool isHalf = Array.Exists(before, static state => state == DiskState.Inconsistent);
            NoteForced(node.Index);
            _hasChanged[1 - node.Index] |= isHalf;
            Oracle.NoteFailover(node.Index);
            Oracle.IsForked |= isStale || isHalf;
            if (isStale || isHalf)
                Oracle.TakeAsTruth(node.Index, own);
            return;
        }

        if (!isLocal)
            return;
        if (isStale && !Plan.IsReckless && Plan.Fencing != FencingPolicy.DontCare && Plan.Protocol == WriteProtocol.C && !WasWeak)
            throw new ViolationException("G6", $"{node.Name} was promoted without force although it lacks acknowledged writes");

        SimDisk[] disks = [.. node.Disks.Select(static disk => disk.Data)];

        // Once both have gone on there are two streams, and what the other acknowledged in its own is missing from no moment of this one. What this node acknowledged itself must be there all the same; and the
        // promotion that begins the fork is checked, because nothing is forked before it.
        if (!WasFull && Oracle.Check(node.Index, disks, isPrefix: !HasLostPower[node.Index] && !Oracle.IsForked) is { } wrong)
            throw new ViolationException(isStale ? "G4" : "G2", $"promoted: {wrong}");
        Oracle.IsForked |= isStale;
        Oracle.NoteFailover(node.Index);
    }

    // The two are not in sync any more: for what is under way now a node may take a generation of its own.
    private void NoteChangesInFlight()
    {
        foreach ((int one, int volume) in Work.ChangesInFlight())
        {
            _hasChanged[one] = true;
            NoteChange(one, volume);
        }
    }

    private void TakeTransitions(SimNode node)
    {
        int n = node.Index;
        ConnectionState connection = node.Status.ConnectionState(Peer);
        if (connection != _connections[n])
        {
            TakeConnection(_connections[n], connection);
            _connections[n] = connection;
            Note(node, $"connection: {connection}");
        }

        for (int v = 0; v < Plan.Volumes; v++)
        {
            var nr = new VolumeNr((ushort)v);
            DiskState disk = node.Status.DiskState(nr);
            if (disk != _diskStates[n, v])
            {
                Statistics.Coverage.Take("disk", _diskStates[n, v].ToString(), disk.ToString());
                _diskStates[n, v] = disk;
                if (disk == DiskState.Failed)
                    Oracle.NoteDiskFailed(v, n, isOnlyCopy: node.IsPrimary && !IsServed(node, v));
                Note(node, $"volume {v}: disk {disk}");
            }

            ReplicationState replication = node.Status.ReplicationState(nr, Peer);
            if (replication != _replication[n, v])
            {
                Statistics.Coverage.Take("replication", _replication[n, v].ToString(), replication.ToString());
                if (IsTarget(replication) && !IsTarget(_replication[n, v]))
                    Oracle.NoteResyncBegun(v, 1 - n);
                _replication[n, v] = replication;
                Note(node, $"volume {v}: replication {replication}");
            }
        }
    }

    private static bool IsTarget(ReplicationState state) => state is ReplicationState.SyncTarget or ReplicationState.PausedSyncT;

    // Several steps within one event show as one.
    private void TakeConnection(ConnectionState from, ConnectionState to)
    {
        (ConnectionState From, ConnectionState To)[] steps = (from, to) switch
        {
            (ConnectionState.StandAlone, ConnectionState.Connecting) => [(from, ConnectionState.Unconnected), (ConnectionState.Unconnected, to)],
            (_, ConnectionState.StandAlone) => [(from, ConnectionState.Disconnecting), (ConnectionState.Disconnecting, to)],
            _ => [(from, to)],
        };
        foreach ((ConnectionState one, ConnectionState other) in steps)
            Statistics.Coverage.Take("connection", one.ToString(), other.ToString());
    }
}
