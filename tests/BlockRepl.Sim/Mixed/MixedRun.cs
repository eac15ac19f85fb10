using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Mixed;

/// <summary>
/// One random history that is rich in one kind of trouble (<see cref="Mix"/>), on two volumes whose last block is a part of one, with changes of single sectors; then healing. What must hold is
/// checked after every step (<see cref="MixedChecks"/>), and at the end that both nodes are equal and hold what they must.
/// </summary>
public sealed class MixedRun
{
    private const int Steps = 400;
    private const int Extents = 6;
    private const long VolumeBytes = ((long)Extents << ActivityLog.ExtentShift) - Block.Size + 3 * SectorOracle.SectorBytes;

    private readonly ClusterHarness _cluster;
    private readonly Prng _chance;
    private readonly Mix _mix;
    private readonly SectorOracle _oracle = new();
    private readonly MixedChecks _checks;
    private readonly FenceAgent _agent;
    private readonly WireTrouble _wire;
    private readonly List<string> _history = [];
    private readonly bool[] _diedInSync = [true, true];
    private readonly CommandTicket[] _demotions = [new() { Result = CommandResult.Ok }, new() { Result = CommandResult.Ok }];
    private bool _isHealing;

    /// <param name="seed">What repeats it.</param>
    /// <param name="mix">What it is rich in.</param>
    public MixedRun(ulong seed, Mix mix)
    {
        _mix = mix;
        _chance = new Prng(seed * 0x9E3779B97F4A7C15 ^ (ulong)mix.Name.Length << 32 ^ mix.Name[0]);
        _cluster = new ClusterHarness(
            s => s with
            {
                Volumes = ["postgres", "spool"],
                Protocol = mix.Protocol,
                Fencing = mix.Fencing,
                EpochWritesMax = 16,
                Handlers = mix.Fencing == FencingPolicy.DontCare ? default : new HandlerSet().With(HandlerKind.FencePeer).With(HandlerKind.UnfencePeer),
            },
            VolumeBytes, extents: 4, seed: _chance.NextUInt64());
        _checks = new MixedChecks(_cluster, _oracle, mix);
        _agent = new FenceAgent(_cluster, _chance, mix.Fencing == FencingPolicy.ResourceAndStonith, Shoot, Note);
        _wire = new WireTrouble(_cluster, _chance);
    }

    private SimulatedNode[] Nodes => [_cluster.Alpha, _cluster.Beta];

    /// <summary>The last steps, for the report of a failure.</summary>
    public string History(int lines) => string.Join('\n', _history.TakeLast(lines));

    /// <summary>Runs it; throws what is wrong.</summary>
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
            Observe();
        }

        Heal();
        Verify();
    }

    private void DoSomething()
    {
        int draw = _chance.Below(1000);
        if ((draw -= _mix.Client) < 0)
            ClientAsks();
        else if ((draw -= _mix.Cut) < 0)
            CutNetwork();
        else if ((draw -= _mix.Operator) < 0)
            OperatorActs();
        else if ((draw -= _mix.Death) < 0)
            Disaster();
        else if ((draw -= _mix.Start) < 0)
            StartDead();
        else if ((draw -= _mix.Disk) < 0)
            DiskActs();
        else if ((draw -= _mix.BadFrames) < 0)
            Trouble();
        else if ((draw -= 40) < 0)
            Tick();
        else if ((draw -= 80) < 0)
            Establish();
        else
            LetSomethingHappen();
    }

    private void Tick()
    {
        Note("tick");
        _cluster.Tick(_chance.OneIn(10) ? 7_000 : 300);
    }

    private void Establish()
    {
        if (_cluster.TryEstablish())
            Note("establish");
    }

    private void ClientAsks()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive || node.Core.Role != Role.Primary)
            return;
        var volume = (ushort)_chance.Below(2);
        ByteRange range = DrawRange();
        int draw = _chance.Below(24);
        if (draw < 4)
        {
            Note($"{node.Name} flush {volume}");
            _checks.Flushes.Add(_cluster.Flush(node, volume));
            return;
        }

        if (draw < 7)
        {
            Note($"{node.Name} read {volume} {range}");
            _checks.Reads.Add((node, _cluster.Read(node, range.Offset, range.Length, volume)));
            return;
        }

        ChangeKind kind = draw < 9 ? ChangeKind.Trim : draw < 10 ? ChangeKind.Zeroes : ChangeKind.Write;
        ChangeFlags flags = _chance.OneIn(5) ? ChangeFlags.Fua : ChangeFlags.None;
        ClientRequest change = _cluster.Change(node, kind, range.Offset, range.Length, flags, volume);
        _oracle.Issued(change, flags);
        Note($"{node.Name} {kind} {change.Id} on {volume} at {range} {flags}");
    }

    // A few blocks in each extent, more extents than the log has places; often the last block, which is a part of one; often single sectors.
    private ByteRange DrawRange()
    {
        long extent = _chance.Below(Extents);
        long block = _chance.Below(_mix.BlocksPerExtent);
        bool isTail = extent == Extents - 1 && _chance.OneIn(2);
        long offset = isTail ? VolumeBytes - 3 * SectorOracle.SectorBytes : (extent << ActivityLog.ExtentShift) + (block << Block.Shift);
        long length = (1 + _chance.Below(3)) * Block.Size;
        if (_chance.OneIn(4))
        {
            offset += _chance.Below(isTail ? 3 : 8) * SectorOracle.SectorBytes;
            length = (1 + _chance.Below(10)) * SectorOracle.SectorBytes;
        }

        return new ByteRange(offset, Math.Min(length, VolumeBytes - offset));
    }

    private void LetSomethingHappen()
    {
        if (_chance.OneIn(4) && _agent.Advance())
            return;
        SimulatedNode node = Pick();
        if (!node.IsAlive)
            return;
        List<PendingOperation> operations = [.. node.Completable()];
        if (operations.Count > 0 && _chance.OneIn(2))
        {
            Complete(node, operations[_chance.Below(operations.Count)]);
            return;
        }

        for (int i = _chance.Below(4); i >= 0; i--)
        {
            if (_cluster.Deliver(node))
                Note($"{node.Name} receives");
        }
    }

    private void Complete(SimulatedNode node, PendingOperation operation)
    {
        DiskResult? failure = _chance.Below(1000) < _mix.DiskErrors ? DiskResult.Io : null;
        Note($"{node.Name} completes {operation} {(operation.Kind == EffectKind.WriteMetadata ? operation.Metadata.Superblock?.Flags : null)} {failure}");
        if (failure is not null && operation.Kind == EffectKind.LocalFlush)
            node.Disks[operation.Volume.Value].FailFlush(operation.FlushMark, () => _chance.OneIn(2));
        _cluster.Complete(node, operation, failure);
    }

    private void CutNetwork()
    {
        Note("cut");
        _wire.KeepFrames();
        if (_chance.OneIn(2))
            _cluster.Cut();
        else
            _cluster.CutSilently();
        if (_chance.OneIn(2))
            _cluster.NoticeLinkDown(Pick());
    }

    private void Trouble()
    {
        SimulatedNode node = Pick();
        if (node.IsAlive && (_chance.OneIn(2) ? _wire.DeliverLate(node) : _wire.DeliverDamaged(node)) is { } what)
            Note($"{node.Name} receives {what}");
    }

    private void OperatorActs()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive)
            return;
        if (node.Core.Role == Role.Primary)
        {
            CommandPrimary(node);
            return;
        }

        if (_chance.OneIn(12) && !_cluster.IsConnected)
        {
            Note($"{node.Name} is outdated");
            _checks.Outdated(node, _cluster.Command(node, OperatorVerb.Outdate));
            return;
        }

        bool isSane = MaySanelyPromote(node);
        if (!_mix.IsReckless && _mix.Fencing == FencingPolicy.DontCare && !isSane)
            return;
        bool isForced = _mix.IsReckless && _chance.OneIn(3);
        Note($"{node.Name} is promoted{(isForced ? " by force" : "")}");
        _cluster.Command(node, OperatorVerb.Primary, force: isForced);
    }

    private void CommandPrimary(SimulatedNode node)
    {
        switch (_chance.Below(6))
        {
            case 0 or 1:
                Note($"{node.Name} is demoted");
                CommandTicket demotion = _cluster.Command(node, OperatorVerb.Secondary);
                if (_demotions[node.Index].Result is not null)
                    _demotions[node.Index] = demotion;
                break;
            case 2 when _demotions[node.Index].Result is not null:
                Note($"{node.Name} is suspended");
                _checks.Suspending(node, _cluster.Command(node, OperatorVerb.SuspendIo));
                break;
            case 3 when _checks.IsSuspended(node):
                Note($"{node.Name} is resumed");
                _checks.Resumed(node);
                _cluster.Command(node, OperatorVerb.ResumeIo);
                break;
            default:
                break;
        }
    }

    private void DiskActs()
    {
        SimulatedNode node = Pick();
        if (!node.IsAlive)
            return;
        var volume = (ushort)_chance.Below(2);
        DiskState state = node.Status.DiskState(new VolumeNr(volume));
        Note($"{node.Name}'s disk {volume} is {state}: closed, attached or detached");
        if (state == DiskState.Failed)
            node.CloseDisk(volume);
        else if (state == DiskState.Diskless)
            node.Attach(volume);
        else if (_chance.OneIn(3))
            _cluster.Command(node, OperatorVerb.Detach);
    }

    // A person who promotes knows that the peer is dead since before it could go on alone, or that it is connected and not Primary.
    private bool MaySanelyPromote(SimulatedNode node)
    {
        SimulatedNode peer = _cluster.Other(node);
        if (_oracle.MissingOn(node) is not null)
            return false;
        return peer.IsAlive ? _cluster.IsConnected && _cluster.Link is { IsCut: false } : _diedInSync[peer.Index];
    }

    private void Disaster()
    {
        SimulatedNode node = Pick();
        bool isPower = _chance.Below(100) < _mix.PowerPercent;
        Die(node, isPower);
        if (_chance.Below(100) < _mix.BothPercent)
            Die(_cluster.Other(node), isPower);
    }

    private void Die(SimulatedNode node, bool isPower)
    {
        if (!node.IsAlive)
            return;
        Note($"{node.Name} {(isPower ? "loses power" : "is killed")}");
        _diedInSync[node.Index] = MixedChecks.SeesInSync(node);
        _demotions[node.Index].Result ??= CommandResult.Ok;
        _checks.Dies(node);
        if (isPower)
            node.PowerCut(_chance);
        else
            node.Kill(_chance);

        // With protocol B what was received and not written dies with the process.
        if (isPower || _mix.Protocol != WriteProtocol.C)
            _oracle.NotePowerCut(node);
    }

    private void Shoot(SimulatedNode node)
    {
        Note($"{node.Name} is shot");
        _diedInSync[node.Index] = false;
        if (node.IsAlive)
            _checks.Dies(node);
        node.PowerCut(_chance);
        _oracle.NotePowerCut(node);
        _oracle.NoteShot(_cluster.Other(node));
    }

    private void StartDead()
    {
        foreach (SimulatedNode node in Nodes)
        {
            if (node.IsAlive || (!_isHealing && _chance.OneIn(3)))
                continue;
            Note($"{node.Name} starts");
            node.Start();
            _cluster.Command(node, OperatorVerb.Connect);
        }
    }

    private void Observe()
    {
        foreach (SimulatedNode node in Nodes)
        {
            foreach (string line in node.Log)
                Note($"  {node.Name} logs {line}");
            node.Log.Clear();
        }

        _checks.Observe();
    }

    private void Heal()
    {
        Note("heal");
        _isHealing = _agent.IsCalm = true;
        foreach (SimulatedNode node in Nodes)
        {
            if (node.IsAlive && Volumes.Any(v => node.Status.DiskState(v) == DiskState.Failed))
                Die(node, isPower: false);
        }

        StartDead();
        RunAndObserve();
        foreach (SimulatedNode node in Nodes)
        {
            if (_checks.IsSuspended(node) || node.Core.Role == Role.Primary)
            {
                _checks.Resumed(node);
                _cluster.Command(node, OperatorVerb.ResumeIo);
            }
        }

        if (_mix.IsReckless)
            DemoteBoth();
        AttachDiskless();
        for (int i = 0; i < 6 && !_cluster.IsConnected; i++)
        {
            if (_mix.IsReckless && Array.Exists(Nodes, n => n.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.StandAlone))
                Discard(Pick());
            _cluster.Tick(20_000);
            RunAndObserve();
            _cluster.Tick(1_000);
            RunAndObserve();
        }

        AttachDiskless();
        SettleDoubts();
    }

    // What a person has declared Outdated while the nodes were equal becomes UpToDate with the next handshake. A Primary that would have to be overwritten must be demoted first.
    private void SettleDoubts()
    {
        for (int i = 0; i < 3 && !(_cluster.IsConnected && Array.TrueForAll(Nodes, node => Array.TrueForAll(Volumes, v => node.Status.DiskState(v) == DiskState.UpToDate))); i++)
        {
            bool mustDecide = false;
            foreach (SimulatedNode node in Nodes)
            {
                bool isSplit = node.Status.Detail(ClusterHarness.PeerOf).Contains("split brain", StringComparison.Ordinal);
                Assert.True(!isSplit || _checks.MayBeSplit || _checks.IsDecided, $"G7: {node.Name}: {node.Status.Detail(ClusterHarness.PeerOf)}");
                mustDecide |= isSplit;
                if (!_cluster.IsConnected)
                    _cluster.Command(node, OperatorVerb.Secondary);
                RunAndObserve();
            }

            if (mustDecide)
                Discard(Pick());
            foreach (SimulatedNode node in Nodes)
            {
                bool isAlone = node.Status.ConnectionState(ClusterHarness.PeerOf) == ConnectionState.StandAlone;
                _cluster.Command(node, isAlone ? OperatorVerb.Connect : OperatorVerb.Reconnect);
            }

            RunAndObserve();
        }
    }

    private void Discard(SimulatedNode victim)
    {
        Note($"{victim.Name} discards its data");
        _checks.IsDecided = true;
        _cluster.Command(victim, OperatorVerb.Connect, discardMyData: true);
        _cluster.Command(_cluster.Other(victim), OperatorVerb.Connect);
    }

    private void AttachDiskless()
    {
        foreach (SimulatedNode node in Nodes)
        {
            foreach (VolumeNr v in Volumes)
            {
                if (node.Status.DiskState(v) == DiskState.Failed)
                    node.CloseDisk(v.Value);
                if (node.Status.DiskState(v) == DiskState.Diskless)
                    node.Attach(v.Value);
            }
        }

        RunAndObserve();
    }

    // A Primary is never overwritten: after two of them, or a stale one, a person has to demote them first.
    private void DemoteBoth()
    {
        _cluster.IsNetworkUp = false;
        _cluster.Cut();
        RunAndObserve();
        foreach (SimulatedNode node in Nodes)
        {
            _cluster.Command(node, OperatorVerb.Secondary);
            RunAndObserve();
        }

        _cluster.IsNetworkUp = true;
    }

    private void RunAndObserve()
    {
        for (int i = 0; _cluster.StepOnce() || _agent.Advance(); i++)
        {
            Observe();
            Assert.True(i < 6_000, "the cluster does not come to rest");
        }

        Observe();
    }

    private void Verify()
    {
        foreach (SimulatedNode node in Nodes)
        {
            Assert.True(node.Status.ConnectionState(ClusterHarness.PeerOf) != ConnectionState.StandAlone, $"{node.Name}: {node.Status.Detail(ClusterHarness.PeerOf)}");
            Assert.True(node.Unanswered.Count == 0 && node.OpenReads.Count == 0, $"{node.Name} left {node.Unanswered.Count} requests and {node.OpenReads.Count} reads unanswered");
        }

        _cluster.AssertInSync();
        if (_mix.IsReckless || _checks.IsDecided)
            return;
        foreach (SimulatedNode node in Nodes)
            Assert.True(_oracle.Check(node) is null, _oracle.Check(node));
    }

    private static VolumeNr[] Volumes => [new VolumeNr(0), new VolumeNr(1)];

    private SimulatedNode Pick() => Nodes[_chance.Below(2)];

    private void Note(string what) => _history.Add($"{_cluster.Step}: {what}");
}
