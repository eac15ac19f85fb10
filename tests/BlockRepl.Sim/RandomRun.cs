using BlockRepl.Primitives;

namespace BlockRepl.Sim;

/// <summary>
/// One random history of a cluster: clients, operators, disks, network and disasters in an order drawn from the seed, then healing, then the check. A reckless one
/// also draws protocol and fencing policy, lets disks fail, and promotes without asking.
/// </summary>
public sealed class RandomRun
{
    private const int Steps = 400;
    private const int BlocksUsed = 24;
    private const long VolumeBytes = 48L << 20;

    private readonly ClusterHarness _cluster;
    private readonly Prng _chance;
    private readonly bool _isReckless;
    private readonly BlockOracle _oracle = new();
    private readonly List<string> _history = [];
    private readonly List<ClientRequest> _flushes = [];
    private readonly bool[] _diedConnected = [true, true];
    private readonly Prng _verifyChance;
    private readonly Prng _bulkChance;
    private bool _mayDiverge;

    /// <param name="seed">What repeats it.</param>
    /// <param name="isReckless">Whether the operator is.</param>
    /// <param name="settings">Changes to both nodes' settings; null for none.</param>
    public RandomRun(ulong seed, bool isReckless, Func<ResourceSettings, ResourceSettings>? settings = null)
    {
        settings ??= s => s;
        _chance = new Prng(seed);
        _isReckless = isReckless;
        WriteProtocol protocol = isReckless ? (WriteProtocol)(1 + _chance.Below(3)) : WriteProtocol.C;
        FencingPolicy fencing = isReckless && _chance.OneIn(3) ? FencingPolicy.ResourceOnly : FencingPolicy.DontCare;
        _cluster = new ClusterHarness(
            s => settings(s with { Protocol = protocol, Fencing = fencing, EpochWritesMax = 16 }), VolumeBytes, extents: 4, seed: seed ^ 0xABCDEF);

        // A and B acknowledge what a failover may lose.
        _mayDiverge = _cluster.Alpha.Settings.Protocol != WriteProtocol.C;
        _verifyChance = new Prng(seed ^ 0x5EED);
        _bulkChance = new Prng(seed ^ 0xB01D);
    }

    /// <summary>Volumes are compared now and then, some with a repair; no difference may be found, for nobody damages anything.</summary>
    public bool Verifies { get; init; }

    /// <summary>Resync data waits at the sender for a while, and changes overtake it where they may.</summary>
    public bool Overtakes
    {
        get => _cluster.HoldsBulk;
        init => _cluster.HoldsBulk = value;
    }

    private SimulatedNode[] Nodes => [_cluster.Alpha, _cluster.Beta];

    /// <summary>The last steps, for the report of a failure.</summary>
    public string History(int lines) => string.Join('\n', _history.TakeLast(lines).Concat(Nodes.Select(Describe)));

    public void Execute()
    {
        _cluster.StartBoth();
        _cluster.Run();
        _cluster.CommandAndRun(_cluster.Alpha, OperatorVerb.SkipInitialSync);
        _cluster.CommandAndRun(_cluster.Alpha, OperatorVerb.Primary);
        _cluster.AssertInSync();
        for (int i = 0; i < Steps; i++)
        {
            DoSomething();
            if (Verifies && _verifyChance.OneIn(20))
                CompareVolumes();
            Observe();
        }

        Heal();
        Verify();
    }

    private void DoSomething()
    {
        switch (_chance.Below(100))
        {
            case < 20:
                ClientAsks();
                break;
            case < 75:
                LetSomethingHappen();
                break;
            case < 80:
                Note("tick");
                _cluster.Tick(_chance.OneIn(10) ? 7_000 : 300);
                break;
            case < 88:
                if (_cluster.TryEstablish())
                    Note("establish");
                break;
            case < 90:
                CutNetwork();
                break;
            case < 95:
                OperatorActs();
                break;
            case < 97:
                Disaster();
                break;
            case 97 when _isReckless:
                DiskActs();
                break;
            default:
                StartDead();
                break;
        }
    }

    private void ClientAsks()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive || node.Core.Role != Role.Primary)
            return;
        if (_chance.OneIn(6))
        {
            ClientRequest flush = _cluster.Flush(node);
            _flushes.Add(flush);
            Note($"{node.Name} flush");
            return;
        }

        int blocks = 1 + _chance.Below(3);
        long block = _chance.Below(BlocksUsed - blocks);
        // Eight blocks in each of the first extents, so that the log of four is short of room.
        long offset = (block / 3 << ActivityLog.ExtentShift) + (block % 3 << Block.Shift);
        ClientRequest write = _cluster.Write(node, offset, blocks * Block.Size, _chance.OneIn(8) ? Protocol.ChangeFlags.Fua : Protocol.ChangeFlags.None);
        _oracle.Issued(write);
        Note($"{node.Name} write {write.Id} at {write.Range}");
    }

    private void LetSomethingHappen()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive)
            return;
        if (Overtakes && _bulkChance.OneIn(4) && node.SendBulk())
            Note($"{node.Name} sends resync data");
        List<PendingOperation> operations = [.. node.Completable()];
        if (operations.Count > 0 && _chance.OneIn(2))
        {
            PendingOperation operation = operations[_chance.Below(operations.Count)];
            DiskResult? failure = _isReckless && _chance.OneIn(100) ? DiskResult.Io : null;
            Note($"{node.Name} completes {operation} {failure}");
            _cluster.Complete(node, operation, failure);
            return;
        }

        for (int i = _chance.Below(4); i >= 0; i--)
        {
            if (_cluster.Deliver(node))
                Note($"{node.Name} receives");
        }
    }

    private void CutNetwork()
    {
        Note("cut");
        if (_chance.OneIn(2))
            _cluster.Cut();
        else
            _cluster.CutSilently();
        if (_chance.OneIn(2))
            _cluster.NoticeLinkDown(Pick());
    }

    private void OperatorActs()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive)
            return;
        if (node.Core.Role == Role.Primary)
        {
            if (_chance.OneIn(4))
            {
                Note($"{node.Name} is demoted");
                _cluster.Command(node, OperatorVerb.Secondary);
            }

            return;
        }

        if (_isReckless || MaySanelyPromote(node))
        {
            Note($"{node.Name} is promoted");
            _mayDiverge |= !MaySanelyPromote(node);
            _cluster.Command(node, OperatorVerb.Primary, force: _isReckless && _chance.OneIn(4));
        }
    }

    // A disk is given up, closed after it failed, or attached again, under whatever role; and clients read.
    private void DiskActs()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive)
            return;
        _mayDiverge = true;
        DiskState state = node.Status.DiskState(ClusterHarness.Volume0);
        Note($"{node.Name}'s disk is {state}: closed, attached or detached");
        if (node.Core.Role == Role.Primary)
            _cluster.Read(node, _chance.Below(3) << ActivityLog.ExtentShift, localFailure: _chance.OneIn(4) ? DiskResult.Io : null);
        if (state == DiskState.Failed)
            node.CloseDisk();
        else if (state == DiskState.Diskless)
            node.Attach(0);
        else if (_chance.OneIn(3))
            _cluster.Command(node, OperatorVerb.Detach);
    }

    // A person who promotes knows that the peer is dead since before it could go on alone, or that it is connected and not Primary.
    private bool MaySanelyPromote(SimulatedNode node)
    {
        SimulatedNode peer = _cluster.Other(node);
        if (!_oracle.HasEverything(node.Index))
            return false;
        if (!peer.IsAlive)
            return _diedConnected[peer.Index];
        return _cluster.IsConnected && _cluster.Link is { IsCut: false };
    }

    private void CompareVolumes()
    {
        SimulatedNode node = Nodes[_verifyChance.Below(2)];
        if (!node.IsAlive)
            return;
        Note($"{node.Name} verifies");
        var options = new VerifyOptions { StartBytes = 0, StopBytes = 24L << 20, Repair = _verifyChance.OneIn(2) };
        node.Apply(new CoreEvent { Kind = CoreEventKind.Command, Subject = new OperatorCommand(OperatorVerb.Verify) { Verify = options }, Second = new CommandTicket() });
    }

    private void Disaster()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive)
            return;
        // Dead while it was in sync: then it changed nothing alone.
        _diedConnected[node.Index] = SeesInSync(node);
        if (_chance.OneIn(2))
        {
            Note($"{node.Name} is killed");
            node.Kill(_chance);
        }
        else
        {
            Note($"{node.Name} loses power");
            node.PowerCut(_chance);
            _oracle.NotePowerCut(node.Index);
        }
    }

    private void StartDead()
    {
        foreach (SimulatedNode node in Nodes)
        {
            if (node.IsAlive)
                continue;
            Note($"{node.Name} starts");
            node.Start();
            _cluster.Command(node, OperatorVerb.Connect);
        }
    }

    private void Observe()
    {
        CollectLogs();
        foreach (SimulatedNode node in Nodes)
        {
            if (!node.IsAlive)
                continue;
            Assert.False(
                node.Status.Verify(ClusterHarness.Volume0, ClusterHarness.PeerOf) is { DifferentBlocks: > 0 }, $"{node.Name} finds a difference between equal disks");
            bool isPeerInSync = SeesInSync(node);
            _oracle.NoteAcknowledged(node, isPeerInSync);
            foreach (ClientRequest flush in _flushes.Where(f => f.IsAcknowledged && f.Node == node.Name))
                _oracle.NoteFlushed(flush, node.Index, isPeerInSync);
            _flushes.RemoveAll(f => f.Node == node.Name && f.Result is not null);
        }

        if (!_cluster.IsConnected)
            return;
        Assert.False(
            _cluster.Alpha.Core.Role == Role.Primary && _cluster.Beta.Core.Role == Role.Primary
            && _cluster.Link is { IsCut: false }, "two Primaries in one connection (hard part 20)");
        if (SeesInSync(_cluster.Alpha) && SeesInSync(_cluster.Beta) && _cluster.Link is { IsCut: false })
            _oracle.NoteInSync();
    }

    private static bool SeesInSync(SimulatedNode node) =>
        node.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.Connected
        && node.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) == ReplicationState.Established
        && node.Status.DiskState(ClusterHarness.Volume0) == DiskState.UpToDate
        && node.Status.PeerDiskState(ClusterHarness.Volume0, ClusterHarness.PeerOf) == DiskState.UpToDate;

    private void Heal()
    {
        Note("heal");
        RestartFailed();
        StartDead();
        if (_isReckless)
            DemoteBoth();
        RunAndObserve();
        AttachDiskless();
        for (int i = 0; i < 4 && !_cluster.IsConnected; i++)
        {
            if (_isReckless && Array.Exists(Nodes, n => n.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.StandAlone))
            {
                SimulatedNode victim = Pick();
                Note($"{victim.Name} discards its data");
                _cluster.Command(victim, OperatorVerb.Connect, discardMyData: true);
                _cluster.Command(_cluster.Other(victim), OperatorVerb.Connect);
            }

            _cluster.Tick(20_000);
            RunAndObserve();
            _cluster.Tick(1_000);
            RunAndObserve();
        }

        for (int i = 0; i < 60 && Array.Exists(Nodes, n => n.Status.ReplicationState(ClusterHarness.Volume0, ClusterHarness.PeerOf) == ReplicationState.Ahead); i++)
        {
            _cluster.Tick(2_000);
            RunAndObserve();
        }
    }

    // A disk that failed comes back with the next start; what it missed must be on record.
    private void RestartFailed()
    {
        foreach (SimulatedNode node in Nodes)
        {
            if (!node.IsAlive || node.Status.DiskState(ClusterHarness.Volume0) != DiskState.Failed)
                continue;
            _mayDiverge = true;
            node.Kill(_chance);
        }
    }

    private void AttachDiskless()
    {
        foreach (SimulatedNode node in Nodes)
        {
            if (node.Status.DiskState(ClusterHarness.Volume0) == DiskState.Failed)
                node.CloseDisk();
            if (node.Status.DiskState(ClusterHarness.Volume0) == DiskState.Diskless)
                node.Attach(0);
        }

        RunAndObserve();
    }

    private void RunAndObserve()
    {
        for (int i = 0; _cluster.StepOnce(); i++)
        {
            Observe();
            Assert.True(i < 4_000, "the cluster does not come to rest");
        }
    }

    // A Primary is never overwritten: after two of them, or a stale one, a person has to demote them first.
    private void DemoteBoth()
    {
        _cluster.IsNetworkUp = false;
        _cluster.Cut();
        RunAndObserve();
        foreach (SimulatedNode node in Nodes)
            Assert.Equal(0, _cluster.CommandAndRun(node, OperatorVerb.Secondary).ExitCode);
        _cluster.IsNetworkUp = true;
    }

    private void Verify()
    {
        if (!_isReckless)
        {
            foreach (SimulatedNode node in Nodes)
                Assert.True(node.Status.ConnectionState(ClusterHarness.PeerOf) != ConnectionState.StandAlone, $"{node.Name}: {node.Status.Detail(ClusterHarness.PeerOf)}");
        }

        foreach (SimulatedNode node in Nodes)
            Assert.True(node.Unanswered.Count == 0 && node.OpenReads.Count == 0, $"{node.Name} left {node.Unanswered.Count} requests and {node.OpenReads.Count} reads unanswered");
        _cluster.AssertInSync();
        if (_mayDiverge)
            return;
        foreach (SimulatedNode node in Nodes)
            Assert.True(_oracle.Check(node) is null, _oracle.Check(node));
    }

    private static string Describe(SimulatedNode node)
    {
        Format.Superblock s = node.Metadata[0].Superblock;
        return $"{node.Name}: {s.Flags}; current {s.Current}, bitmap {s.Peers[0].BitmapGeneration}, history {string.Join(' ', s.History)}; "
            + $"{(node.IsAlive ? node.Status.DiskState(ClusterHarness.Volume0) : "dead")}";
    }

    private void CollectLogs()
    {
        foreach (SimulatedNode node in Nodes)
        {
            foreach (string line in node.Log)
                Note($"  {node.Name} logs {line}");
            node.Log.Clear();
        }
    }

    private SimulatedNode Pick() => Nodes[_chance.Below(2)];

    private void Note(string what) => _history.Add($"{_cluster.Step}: {what}");
}
