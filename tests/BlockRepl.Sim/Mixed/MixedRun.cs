using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>
/// One random history that is rich in one kind of trouble (<see cref="Mix"/>), on two volumes; then healing. What must hold is checked after every step (<see cref="MixedChecks"/>), and at the
/// end that both nodes are equal and hold what they must.
/// </summary>
public sealed class MixedRun
{
    private const int StretchSteps = 80;

    // Of the times that it is the turn of an operation of a slow disk, the one that it ends.
    private const int SlowDiskTurns = 16;

    private readonly MixedWorld _world;
    private readonly MixedClient _client;
    private readonly MixedDeaths _deaths;
    private readonly MixedOperator _operator;
    private readonly FenceAgent _agent;
    private readonly MixedHealing _healing;
    private SimulatedNode? _slow;
    private bool _slowChanges;
    private bool _slowFlushes;

    /// <param name="seed">What repeats it.</param>
    /// <param name="mix">What it is rich in.</param>
    public MixedRun(ulong seed, Mix mix)
    {
        _world = new MixedWorld(seed, mix);
        _client = new MixedClient(_world);
        _deaths = new MixedDeaths(_world);
        _operator = new MixedOperator(_world, _deaths);
        _agent = new FenceAgent(_world.Cluster, _world.Chance, mix, _deaths.Shoot, _world.Note);
        _world.Checks.IsBarred = _agent.IsBarred;
        _healing = new MixedHealing(_world, _deaths, _operator, _agent);
    }

    private ClusterHarness Cluster => _world.Cluster;

    private Prng Chance => _world.Chance;

    private Mix Mix => _world.Mix;

    /// <summary>The last steps, for the report of a failure.</summary>
    public string History(int lines) => _world.History(lines);

    /// <summary>Runs it; throws what is wrong.</summary>
    public void Execute()
    {
        Cluster.StartBoth();
        Cluster.Run();
        Cluster.CommandAndRun(Cluster.Alpha, OperatorVerb.SkipInitialSync);
        Cluster.CommandAndRun(Cluster.Alpha, OperatorVerb.Primary);
        Cluster.AssertInSync();
        for (int i = 0; i < Mix.Steps; i++)
        {
            if (i % StretchSteps == 0)
                BeginStretch();
            DoSomething();
            _world.Observe();
        }

        _healing.Heal();
        _healing.Verify();
    }

    private void DoSomething()
    {
        if (_operator.FailsOver())
            return;
        int draw = Chance.Below(1000);
        if ((draw -= Mix.Client) < 0)
            _client.Ask();
        else if ((draw -= Mix.Cut) < 0)
            CutNetwork();
        else if ((draw -= Mix.Operator) < 0)
            _operator.Act();
        else if ((draw -= Mix.Death) < 0)
            _deaths.Disaster();
        else if ((draw -= Mix.Start) < 0)
            _deaths.StartDead();
        else if ((draw -= Mix.Disk) < 0)
            _operator.DiskActs();
        else if ((draw -= Mix.BadFrames) < 0)
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
        _world.Note("tick");
        Cluster.Tick(Chance.OneIn(10) ? 7_000 : 300);
    }

    private void Establish()
    {
        if (Cluster.TryEstablish())
            _world.Note("establish");
    }

    private void LetSomethingHappen()
    {
        if (Chance.OneIn(4) && _agent.Advance())
            return;
        SimulatedNode node = _world.Pick();
        if (!node.IsAlive)
            return;
        List<PendingOperation> operations = [.. node.Completable()];
        if (operations.Count > 0 && Chance.OneIn(2))
        {
            PendingOperation operation = operations[Chance.Below(operations.Count)];
            if (!IsHeldUp(node, operation))
                Complete(node, operation);
            return;
        }

        if (Mix.HoldsBulk && Chance.OneIn(3) && node.SendBulk())
        {
            _world.Note($"{node.Name} sends resync data");
            return;
        }

        for (int i = Chance.Below(4); i >= 0; i--)
        {
            if (Cluster.Deliver(node))
                _world.Note($"{node.Name} receives");
        }
    }

    private void BeginStretch()
    {
        if (Mix.Rests)
            _healing.Rest();
        if (Mix.SlowPercent == 0)
            return;
        _slow = Chance.Below(100) < Mix.SlowPercent ? _world.Pick() : null;
        if (_slow is not null && Mix.Rests && Chance.OneIn(2))
            _slow = Array.Find(_world.Nodes, static node => node is { IsAlive: true, Core.Role: Role.Secondary }) ?? _slow;
        (_slowChanges, _slowFlushes) = Chance.Below(3) switch { 0 => (true, false), 1 => (false, true), _ => (true, true) };
    }

    // Its metadata are on another disk.
    private bool IsHeldUp(SimulatedNode node, PendingOperation operation) =>
        node == _slow && ((operation.Kind == EffectKind.LocalChange && _slowChanges) || (operation.Kind == EffectKind.LocalFlush && _slowFlushes)) && !Chance.OneIn(SlowDiskTurns);

    private void Complete(SimulatedNode node, PendingOperation operation)
    {
        DiskResult? failure = Chance.Below(1000) < Mix.DiskErrors ? DiskResult.Io : null;
        _world.Note($"{node.Name} completes {operation} {(operation.Kind == EffectKind.WriteMetadata ? operation.Metadata.Superblock?.Flags : null)} {failure}");
        if (failure is not null && operation.Kind == EffectKind.LocalFlush)
            node.Disks[operation.Volume.Value].FailFlush(operation.FlushMark, () => Chance.OneIn(2));
        Cluster.Complete(node, operation, failure);
    }

    private void CutNetwork()
    {
        _world.Note("cut");
        _world.Wire.KeepFrames();
        if (Chance.OneIn(2))
            Cluster.Cut();
        else
            Cluster.CutSilently();
        if (Chance.OneIn(2))
            Cluster.NoticeLinkDown(_world.Pick());
    }

    private void Trouble()
    {
        SimulatedNode node = _world.Pick();
        if (node.IsAlive && (Chance.OneIn(2) ? _world.Wire.DeliverLate(node) : _world.Wire.DeliverDamaged(node)) is { } what)
            _world.Note($"{node.Name} receives {what}");
    }
}
