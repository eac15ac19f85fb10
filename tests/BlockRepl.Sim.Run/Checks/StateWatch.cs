using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// Watches what an operator can see of both nodes: which transitions are taken, who is in sync, who has gone on alone. Tells the oracle of it, and checks at each change what is promised of promotions and split brains
/// (G4, G6, G7).
/// </summary>
internal sealed class StateWatch
{
    private static readonly PeerId Peer = new(0);
    private readonly Simulation _simulation;
    private readonly bool[] _isInSync;
    private readonly bool[] _hasChanged = new bool[2];
    private readonly Role[] _roles = [Role.Secondary, Role.Secondary];
    private readonly ConnectionState[] _connections = new ConnectionState[2];
    private readonly DiskState[,] _diskStates;
    private readonly ReplicationState[,] _replication;
    private readonly bool[,] _isSplit;

    // A node has met a peer whose lost disk had gone on without it, while other volumes were resynced from that peer: nothing on its own disk says so (docs/STATUS.md).
    private readonly bool[] _mayMixMoments = new bool[2];

    // A node died while it was promoted by force: its data may count or not.
    private readonly bool[] _mayBeForced = new bool[2];

    public StateWatch(Simulation simulation)
    {
        _simulation = simulation;
        int volumes = simulation.Plan.Volumes;
        _isInSync = new bool[volumes];
        _diskStates = new DiskState[2, volumes];
        _replication = new ReplicationState[2, volumes];
        _isSplit = new bool[2, volumes];
    }

    /// <summary>Nodes that lost power, a flush or a disk since all was last in sync.</summary>
    public bool[] HasLostPower { get; } = new bool[2];

    /// <summary>A verify has found blocks that differ: a disk was full.</summary>
    public bool HasFoundDifferences { get; private set; }

    /// <summary>
    /// Each node may be ahead on a volume although there was one Primary, and a person has to say what counts (rule 91, docs/STATUS.md): a peer served a volume while answers came early, and may lack what the Primary goes
    /// on with; a Primary has met its peer while the disk of a volume was gone that nobody could serve; or a node was promoted beside a disk of its peer that was gone, and might have been newer.
    /// </summary>
    public bool MaySplit { get; private set; }

    /// <summary>Every volume is in sync on both nodes.</summary>
    public bool IsAllInSync => Array.TrueForAll(_isInSync, static one => one);

    private Oracle Oracle => _simulation.Oracle;

    private RunPlan Plan => _simulation.Plan;

    /// <summary>A volume is in sync on both nodes.</summary>
    public bool IsInSync(int volume) => _isInSync[volume];

    /// <summary>Core logs a line.</summary>
    public void Logged(SimNode node, string text)
    {
        if (_simulation.IsTracing)
            _simulation.Note(node, $"  logs: {text}");
        if (text.Contains(": resync done as target", StringComparison.Ordinal))
            ResyncedAsTarget(node, text);
        HasFoundDifferences |= text.Contains(" blocks differ", StringComparison.Ordinal) && !text.Contains(" 0 blocks differ", StringComparison.Ordinal);
        int at = text.IndexOf("connection lost: ", StringComparison.Ordinal);
        if (at < 0)
            return;
        string reason = text[(at + "connection lost: ".Length)..];
        reason = reason[..reason.IndexOf(':', StringComparison.Ordinal)];

        // Momentary states are left within the event: only the log has them.
        if (_connections[node.Index] is ConnectionState.Connected or ConnectionState.Connecting)
        {
            _simulation.Statistics.Coverage.Take("connection", _connections[node.Index].ToString(), reason);
            _simulation.Statistics.Coverage.Take("connection", reason, "Unconnected");
            _simulation.Statistics.Coverage.Take("connection", "Unconnected", "Connecting");
            _connections[node.Index] = ConnectionState.Connecting;
        }
    }

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
        bool isServed = _simulation.Nodes[node].Status.DiskState(new VolumeNr((ushort)volume)) is DiskState.Diskless or DiskState.Failed or DiskState.Attaching;
        _hasChanged[isServed ? 1 - node : node] = true;
    }

    /// <summary>Something that an operator can see has changed on a node.</summary>
    public void StateChanged(SimNode node)
    {
        DiskState[] before = [.. Enumerable.Range(0, Plan.Volumes).Select(v => _diskStates[node.Index, v])];
        TakeTransitions(node);

        // What was under way when a disk failed is on the peer's alone.
        if (Enumerable.Range(0, Plan.Volumes).Any(v => _diskStates[node.Index, v] == DiskState.Failed && before[v] != DiskState.Failed))
            NoteChangesInFlight();
        Role role = node.Status.Role;
        if (role != _roles[node.Index])
        {
            _simulation.Statistics.Coverage.Take("role", _roles[node.Index].ToString(), role.ToString());
            _roles[node.Index] = role;
            _simulation.Note(node, $"is {role} now");
            if (role == Role.Primary)
                Promoted(node, before);
        }

        bool isUnserved = role == Role.Primary && StatusReading.IsConnected(node)
            && Enumerable.Range(0, Plan.Volumes).Any(v => _diskStates[node.Index, v] is DiskState.Diskless or DiskState.Failed && !StatusReading.IsServed(node, v));
        _mayMixMoments[node.Index] |= Plan.Fencing == FencingPolicy.DontCare && StatusReading.IsConnected(node)
            && Enumerable.Range(0, Plan.Volumes).Any(v => _diskStates[1 - node.Index, v] is DiskState.Diskless or DiskState.Failed && !Oracle.HasEverything(node.Index, v));
        Oracle.HasServedEarly |= (_simulation.WasWeak || Plan.Protocol != WriteProtocol.C) && Enumerable.Range(0, Plan.Volumes).Any(v => StatusReading.IsServed(node, v));
        MaySplit |= Oracle.HasServedEarly || isUnserved;
        Oracle.GoesByConfiguration = Plan.IsOldPeer && Array.Exists(_simulation.Nodes, static one => one.Settings.Protocol != WriteProtocol.C);
        WatchForSplitBrain(node);
        bool wasAll = IsAllInSync;
        for (int v = 0; v < Plan.Volumes; v++)
            WatchForSync(v);
        if (wasAll && !IsAllInSync)
        {
            NoteChangesInFlight();
            for (int n = 0; n < 2; n++)
                _hasChanged[n] |= Oracle.HasAnsweredAlone(n);
        }
        else if (!wasAll && IsAllInSync)
        {
            Oracle.NoteOneHistory();
            _hasChanged[0] = _hasChanged[1] = HasLostPower[0] = HasLostPower[1] = _mayBeForced[0] = _mayBeForced[1] = _mayMixMoments[0] = _mayMixMoments[1] = MaySplit = Oracle.HasServedEarly = false;
        }

        if (role == Role.Primary && _simulation.Nodes[1 - node.Index] is { IsPrimary: true } other && StatusReading.IsConnected(node) && StatusReading.IsConnected(other) && node.LiveLink is { Link.IsDead: false } link && link.Link == other.LiveLink?.Link)
            throw new ViolationException("G7", "two Primaries in one connection (hard part 20)");
    }

    /// <summary>A process has died.</summary>
    public void ProcessDied(SimNode node)
    {
        _simulation.Work.NodeDied(node);
        Oracle.NoteDeath();
        Oracle.NoteParted();
        NoteForceCutShort(node);

        // With protocols A and B it may have had some of what was acknowledged, and not yet written: any of it may be there (docs/STATUS.md, G4).
        HasLostPower[node.Index] |= _roles[node.Index] == Role.Secondary && (_simulation.WasWeak || Plan.Protocol != WriteProtocol.C);
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
        _simulation.Operator.NodeDied(node);
    }

    // What a promotion by force makes of the data may have become durable, although it never got to its end.
    private void NoteForceCutShort(SimNode node)
    {
        DiskState[] disks = [.. Enumerable.Range(0, Plan.Volumes).Select(v => _diskStates[node.Index, v])];
        if (!_simulation.Operator.IsForceUnderWay(node) || Array.TrueForAll(disks, static state => state == DiskState.UpToDate))
            return;
        _mayBeForced[node.Index] = true;
        NoteForced(node.Index);
        _hasChanged[1 - node.Index] |= Array.Exists(disks, static state => state == DiskState.Inconsistent);
        Oracle.IsForked = true;
    }

    // The target has it all, also if the connection ends before the source hears of it.
    private void ResyncedAsTarget(SimNode target, string text)
    {
        for (int v = 0; v < Plan.Volumes; v++)
        {
            if (!text.StartsWith($"mail/{Plan.Settings.Volumes[v]}@", StringComparison.Ordinal))
                continue;
            _simulation.Statistics.Resyncs++;
            Oracle.NoteInSync(v, 1 - target.Index, _simulation.Other(target).Disks[v].Data);
        }
    }

    private void WatchForSync(int volume)
    {
        bool isInSync = StatusReading.SeesInSync(_simulation.Nodes[0], volume) && StatusReading.SeesInSync(_simulation.Nodes[1], volume)
            && _simulation.Nodes[0].LiveLink is { } end && end.Link == _simulation.Nodes[1].LiveLink?.Link;
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
            _simulation.Statistics.SplitBrains++;
            _simulation.Note(node, "finds a split brain");
            if (MaySplit)
                continue;
            if (!_hasChanged[0] || !_hasChanged[1])
                throw new ViolationException("G7", $"a split brain was invented: changed alone: alpha {_hasChanged[0]}, beta {_hasChanged[1]}");
            if (!Plan.IsReckless)
                throw new ViolationException("G7", "a split brain although nobody promoted what he should not");
        }
    }

    // What the disks were worth before: a promotion makes whatever it is let onto UpToDate.
    private void Promoted(SimNode node, DiskState[] before)
    {
        _simulation.Statistics.Promotions++;
        _simulation.Work.Start(node);

        // Force makes no difference where every disk is UpToDate: no generation begins with it, and a peer that went on meanwhile overwrites this node if it changes nothing.
        // Nor on a volume that the peer serves, with its own disk.
        SimDisk?[] own = [.. node.Disks.Select((disk, v) => StatusReading.IsServed(node, v) ? null : disk.Data)];

        // It does where a disk of either node is gone that had gone on without the other, if they see each other: a node that is not connected knows nothing of it.
        bool isBesideLost = StatusReading.IsConnected(node) && Enumerable.Range(0, Plan.Volumes).Any(v => _diskStates[1 - node.Index, v] is DiskState.Diskless or DiskState.Failed);
        bool makesDifference = isBesideLost || Enumerable.Range(0, Plan.Volumes).Any(v => before[v] != DiskState.UpToDate);
        MaySplit |= isBesideLost;
        bool isForced = _mayBeForced[node.Index] || (_simulation.Operator.IsForcing[node.Index] && makesDifference);
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

        bool isStale = !Oracle.HasEverything(node.Index, own) || (isForced && Enumerable.Range(0, Plan.Volumes).Any(v => own[v] is null && !Oracle.HasEverything(1 - node.Index, v)));

        // What a Primary that this one does not see acknowledges from here on is another history, too.
        bool isSecond = _simulation.Other(node).IsPrimary;

        // Nor has who takes over without the other what a reader there has seen of a change that was never answered.
        if (!IsAllInSync)
            Oracle.NoteTakeover();
        if (isForced)
        {
            // Half of a resync is what it is: neither what this node had before nor what the source has. What the source has is another history from here on, although it changes nothing more.
            bool isHalf = Array.Exists(before, static state => state == DiskState.Inconsistent);
            NoteForced(node.Index);
            _hasChanged[1 - node.Index] |= isHalf;
            Oracle.NoteFailover(node.Index);
            Oracle.IsForked |= isStale || isHalf || isSecond;
            if (isStale || isHalf)
                Oracle.TakeAsTruth(node.Index, own);
            return;
        }

        if (!isLocal)
            return;
        if (isStale && !Plan.IsReckless && Plan.Fencing != FencingPolicy.DontCare && Plan.Protocol == WriteProtocol.C && !_simulation.WasWeak)
            throw new ViolationException("G6", $"{node.Name} was promoted without force although it lacks acknowledged writes");

        SimDisk[] disks = [.. node.Disks.Select(static disk => disk.Data)];

        // Once both have gone on there are two streams, and what the other acknowledged in its own is missing from no moment of this one. What this node acknowledged itself must be there all the same; and the
        // promotion that begins the fork is checked, because nothing is forked before it.
        if (!_simulation.WasFull && Oracle.Check(node.Index, disks, isPrefix: !HasLostPower[node.Index] && !_mayMixMoments[node.Index] && !Oracle.IsForked && !Oracle.HasServedEarly) is { } wrong)
            throw new ViolationException(isStale ? "G4" : "G2", $"promoted: {wrong}");
        Oracle.IsForked |= isStale || isSecond;

        // With fencing dont-care a node that lost power, or a flush, is promoted all the same: the person answers for what only the peer has (docs/decisions/0062).
        Oracle.NoteFailover(node.Index, givesUpAll: Plan.Fencing == FencingPolicy.DontCare && HasLostPower[node.Index]);
    }

    // The two are not in sync any more: for what is under way now a node may take a generation of its own.
    private void NoteChangesInFlight()
    {
        foreach ((int one, int volume) in _simulation.Work.ChangesInFlight())
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
            Oracle.NoteParted();
            _connections[n] = connection;
            _simulation.Note(node, $"connection: {connection}");
        }

        for (int v = 0; v < Plan.Volumes; v++)
        {
            var nr = new VolumeNr((ushort)v);
            DiskState disk = node.Status.DiskState(nr);
            if (disk != _diskStates[n, v])
            {
                _simulation.Statistics.Coverage.Take("disk", _diskStates[n, v].ToString(), disk.ToString());
                _diskStates[n, v] = disk;
                if (disk == DiskState.Failed)
                {
                    // What was under way on it, and what was not stable, may be missing from it when it is back.
                    HasLostPower[n] = true;
                    Oracle.NoteDiskFailed(v, n, isOnlyCopy: node.IsPrimary && !StatusReading.IsServed(node, v));
                }

                _simulation.Note(node, $"volume {v}: disk {disk}");
            }

            ReplicationState replication = node.Status.ReplicationState(nr, Peer);
            if (replication != _replication[n, v])
            {
                _simulation.Statistics.Coverage.Take("replication", _replication[n, v].ToString(), replication.ToString());
                if (IsTarget(replication) && !IsTarget(_replication[n, v]))
                    Oracle.NoteResyncBegun(v, 1 - n);
                _replication[n, v] = replication;
                _simulation.Note(node, $"volume {v}: replication {replication}");
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
            _simulation.Statistics.Coverage.Take("connection", one.ToString(), other.ToString());
    }
}
