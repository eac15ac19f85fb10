using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>What must hold after every step of a history, whatever happens.</summary>
public sealed class MixedChecks(ClusterHarness cluster, SectorOracle oracle, Mix mix)
{
    private readonly bool[] _isFenced = new bool[2];
    private readonly bool[] _isWaived = new bool[2];
    private readonly long[] _lostPowerAt = [-1, -1];
    private readonly Role[] _roles = [Role.Secondary, Role.Secondary];
    private readonly bool[,] _mustBeBad = new bool[2, 2];
    private readonly bool[,] _isDurablyBad = new bool[2, 2];
    private readonly bool[,] _isKnown = new bool[2, 2];
    private readonly (CommandTicket? Ticket, bool IsOver)[] _suspensions = new (CommandTicket?, bool)[2];
    private readonly List<(SimulatedNode Node, CommandTicket Ticket)> _outdated = [];

    /// <summary>Flushes without an answer.</summary>
    public List<ClientRequest> Flushes { get; } = [];

    /// <summary>Reads without an answer.</summary>
    public List<(SimulatedNode Node, ClientRead Read)> Reads { get; } = [];

    /// <summary>Whether a node was fenced and not let in again since: what the fence agent knows, which no node can.</summary>
    public Func<SimulatedNode, bool> IsBarred { get; set; } = static _ => false;

    /// <summary>A person has named the victim of a split brain.</summary>
    public bool IsDecided { get; set; }

    /// <summary>A Primary was over before the fence was up that its policy does not make it wait for: a split brain may follow.</summary>
    public bool MayBeSplit { get; private set; }

    private static VolumeNr[] Volumes => [new VolumeNr(0), new VolumeNr(1)];

    private SimulatedNode[] Nodes => [cluster.Alpha, cluster.Beta];

    /// <summary>As far as a node can see, its peer has all of every volume.</summary>
    public static bool SeesInSync(SimulatedNode node) => Array.TrueForAll(Volumes, v => SeesInSync(node, v));

    /// <summary>I/O is suspended on a node, or being suspended.</summary>
    public bool IsSuspended(SimulatedNode node) => _suspensions[node.Index].Ticket is not null;

    /// <summary><c>suspend-io</c> was said.</summary>
    public void Suspending(SimulatedNode node, CommandTicket ticket)
    {
        if (_suspensions[node.Index].Ticket is null)
            _suspensions[node.Index] = (ticket, false);
    }

    /// <summary><c>resume-io</c> is about to be said. A person answers for it that the peer does not go on.</summary>
    public void Resumed(SimulatedNode node)
    {
        _suspensions[node.Index] = default;
        _isWaived[node.Index] = true;
    }

    /// <summary><c>outdate</c> was said.</summary>
    public void Outdated(SimulatedNode node, CommandTicket ticket) => _outdated.Add((node, ticket));

    /// <summary>A node is about to die: what its disks say of themselves must outlive it.</summary>
    public void Dies(SimulatedNode node)
    {
        _isWaived[node.Index] = false;
        _suspensions[node.Index] = default;
        _outdated.RemoveAll(o => o.Node == node);
    }

    /// <summary>A node's host lost power: what it had confirmed may be gone.</summary>
    public void LosesPower(SimulatedNode node)
    {
        _lostPowerAt[node.Index] = cluster.Step;
        oracle.NotePowerCut(node);
    }

    /// <summary>Looks at everything; throws what is wrong.</summary>
    public void Observe()
    {
        foreach (SimulatedNode node in Nodes)
        {
            ObserveRole(node);
            ObserveDurable(node);
            if (node.IsAlive)
                ObserveAlive(node);
            else
                _isKnown[node.Index, 0] = _isKnown[node.Index, 1] = false;
        }

        oracle.NoteAnswers(HoldersOfAnswered);
        foreach (ClientRequest flush in Flushes.Where(static f => f.IsAcknowledged))
            oracle.NoteFlushed(flush, Stable(flush, Holders(flush)));
        Flushes.RemoveAll(static f => f.Result is not null || f.EndedAt != long.MaxValue);
        CheckReads();
        CheckRecord();
        CheckPair();
    }

    private static bool SeesInSync(SimulatedNode node, VolumeNr v) =>
        node.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.Connected
        && node.Status.ReplicationState(v, ClusterHarness.PeerOf) == ReplicationState.Established
        && node.Status.DiskState(v) == DiskState.UpToDate
        && node.Status.PeerDiskState(v, ClusterHarness.PeerOf) == DiskState.UpToDate;

    // Which nodes have what was answered just now. A node that answers for what nobody has answers for it itself.
    private bool[] Holders(ClientRequest request)
    {
        SimulatedNode node = Array.Find(Nodes, n => n.Name == request.Node)!;
        var has = new bool[2];
        if (node.IsAlive)
        {
            has[1 - node.Index] = SeesInSync(node, request.Volume) || node.Status.ServedBy(request.Volume).Length > 0;
            has[node.Index] = node.Status.DiskState(request.Volume) == DiskState.UpToDate || !has[1 - node.Index];
        }

        return has;
    }

    private bool[] HoldersOfAnswered(ClientRequest request)
    {
        bool[] has = Holders(request);
        SimulatedNode node = Array.Find(Nodes, n => n.Name == request.Node)!;
        SimulatedNode peer = cluster.Other(node);
        bool hasLostPower = _lostPowerAt[peer.Index] >= request.IssuedAt;
        bool mayBeThere = has[peer.Index] || hasLostPower || oracle.IsHeldOn(peer, request);
        if (mix.Fencing == FencingPolicy.ResourceAndStonith && node.IsAlive && !mayBeThere)
            Assert.True(CannotGoOn(node), $"G13: {node.Name} answered change {request.Id}, which {peer.Name} lacks and is not fenced");

        // The answer may come when the node has not noticed yet that its peer lost power, and the change with it.
        has[peer.Index] &= !hasLostPower;
        return has;
    }

    // The peer of a node: barred by the fence agent, unfit by what its own disks say, or answered for by a person.
    private bool CannotGoOn(SimulatedNode node)
    {
        SimulatedNode peer = cluster.Other(node);
        return _isWaived[node.Index] || IsBarred(peer) || _isDurablyBad[peer.Index, 0] || _isDurablyBad[peer.Index, 1];
    }

    // The peer's stable storage is protocol C's matter, or the server's of a Primary without a disk.
    private bool[] Stable(ClientRequest request, bool[] has)
    {
        SimulatedNode node = Array.Find(Nodes, n => n.Name == request.Node)!;
        has[1 - node.Index] &= mix.Protocol == WriteProtocol.C || (node.IsAlive && node.Status.ServedBy(request.Volume).Length > 0);
        return has;
    }

    private void ObserveRole(SimulatedNode node)
    {
        Role role = node.IsAlive ? node.Core.Role : Role.Secondary;
        if (role == Role.Primary && _roles[node.Index] != Role.Primary && !mix.IsReckless)
        {
            Assert.True(oracle.MissingOn(node) is null, $"G2, G6: {node.Name} was promoted without {oracle.MissingOn(node)}");
            Assert.True(oracle.Check(node) is null, $"G4: {node.Name} was promoted: {oracle.Check(node)}");
            Assert.False(
                node.Pending.Exists(static p => p is { Kind: EffectKind.LocalChange, Request.Origin: ChangeOrigin.Peer }),
                $"G4, hard part 11: {node.Name} was promoted, and what it had received is still being written");
        }

        // With resource-only a Primary goes on before its peer is fenced. If it is over before the fence is up, what it wrote alone is nobody's promise.
        if (role != Role.Primary && _roles[node.Index] == Role.Primary && mix.Fencing == FencingPolicy.ResourceOnly && !_isFenced[node.Index])
        {
            oracle.NoteUnfenced(node, cluster.Other(node));
            MayBeSplit = true;
        }

        _isFenced[node.Index] = node.IsAlive && (node.Status.IsPeerFenced(ClusterHarness.PeerOf) || node.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.Connected);
        if (role != Role.Primary)
            _suspensions[node.Index] = default;
        _roles[node.Index] = role;
    }

    // A disk that was unfit durably and is so no more has been made fit, whether or not the process lived to know it.
    private void ObserveDurable(SimulatedNode node)
    {
        for (int v = 0; v < 2; v++)
        {
            SuperblockFlags flags = node.Metadata[v].Superblock.Flags;
            bool isBad = (flags & SuperblockFlags.Consistent) == 0 || (flags & SuperblockFlags.Outdated) != 0;
            _mustBeBad[node.Index, v] &= isBad || !_isDurablyBad[node.Index, v];
            _isDurablyBad[node.Index, v] = isBad;
        }
    }

    private void ObserveAlive(SimulatedNode node)
    {
        foreach (VolumeNr v in Volumes)
        {
            ref bool mustBeBad = ref _mustBeBad[node.Index, v.Value];
            DiskState state = node.Status.DiskState(v);
            bool isKnown = state is DiskState.Inconsistent or DiskState.Outdated or DiskState.Consistent or DiskState.UpToDate;
            bool isBad = state is DiskState.Inconsistent or DiskState.Outdated;
            bool isBack = isKnown && !_isKnown[node.Index, v.Value];
            _isKnown[node.Index, v.Value] = isKnown;
            Assert.False(mustBeBad && isBack && !isBad, $"G6, G9: {node.Name}/{v} was not fit to be promoted, and came back {state}");
            if (isKnown && !isBad)
                mustBeBad = false;
            mustBeBad |= state == DiskState.Inconsistent && node.Status.ReplicationState(v, ClusterHarness.PeerOf) == ReplicationState.SyncTarget;
        }

        foreach ((SimulatedNode who, CommandTicket ticket) in _outdated)
        {
            foreach (VolumeNr v in Volumes)
                _mustBeBad[who.Index, v.Value] |= ticket.ExitCode == 0 && who.IsAlive && who.Status.DiskState(v) == DiskState.Outdated;
        }

        _outdated.RemoveAll(static o => o.Ticket.Result is not null);
        _isWaived[node.Index] &= node.Status.ConnectionState(ClusterHarness.PeerOf) != ConnectionState.Connected;
        if (node.Status.IsPeerFenced(ClusterHarness.PeerOf))
            Assert.True(CannotGoOn(node), $"G13, hard part 21: {node.Name} takes {cluster.Other(node).Name} for fenced, which it is not");
        CheckSuspension(node);
    }

    private void CheckSuspension(SimulatedNode node)
    {
        (CommandTicket? ticket, bool isOver) = _suspensions[node.Index];
        if (ticket?.Result is null)
            return;
        if (ticket.ExitCode != 0)
        {
            _suspensions[node.Index] = default;
            return;
        }

        // Reads go on, nothing else: what clients were told of is stable, here and on a peer in sync, and nothing is written but to a disk that was given up.
        bool isWriting = node.Pending.Exists(
            p => p is { Kind: EffectKind.LocalChange, Request.Origin: ChangeOrigin.Client } && node.Status.DiskState(p.Volume) is not (DiskState.Failed or DiskState.Diskless));
        Assert.False(isWriting, $"I19: {node.Name} is suspended and writes");
        if (!isOver)
        {
            foreach (VolumeNr v in Volumes.Where(v => SeesInSync(node, v)))
            {
                Assert.True(node.Disks[v.Value].UnflushedCount == 0, $"I19: {node.Name}/{v} is suspended and not stable");
                Assert.True(cluster.Other(node).Disks[v.Value].UnflushedCount == 0, $"I19: {node.Name}/{v} is suspended and its peer not stable");
            }
        }

        _suspensions[node.Index] = (ticket, true);
    }

    private void CheckReads()
    {
        foreach ((SimulatedNode _, ClientRead read) in Reads)
        {
            if (read.Result is { IsOk: true } && !mix.IsReckless)
                Assert.True(oracle.Check(read) is null, $"hard part 10: {oracle.Check(read)}");
        }

        Reads.RemoveAll(static r => r.Read.Result is not null || !r.Node.IsAlive);
    }

    // G8: what differs now is on record, on one side or the other, in what would outlive both processes.
    private void CheckRecord()
    {
        for (int v = 0; v < 2; v++)
        {
            foreach (long block in cluster.Alpha.Disks[v].Cache.Differences(cluster.Beta.Disks[v].Cache))
            {
                Assert.True(
                    cluster.Alpha.Metadata[v].IsOnRecord(block) || cluster.Beta.Metadata[v].IsOnRecord(block), $"G8: block {block} of volume {v} differs and is not on record");
            }
        }
    }

    private void CheckPair()
    {
        if (!cluster.Alpha.IsAlive || !cluster.Beta.IsAlive || !cluster.IsConnected || cluster.Link is not { IsCut: false })
            return;
        Assert.False(cluster.Alpha.Core.Role == Role.Primary && cluster.Beta.Core.Role == Role.Primary, "hard part 20: two Primaries in one connection");
        if (!IsDecided && oracle.OnlyOn(cluster.Alpha, cluster.Beta) is { } here && oracle.OnlyOn(cluster.Beta, cluster.Alpha) is { } there)
            Assert.Fail($"G7: connected, although alpha alone has {here} and beta alone has {there}");
        if (SeesInSync(cluster.Alpha) && SeesInSync(cluster.Beta))
            oracle.NoteInSync();
    }
}
