using BlockRepl.Protocol;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>
/// Decides what happens next in a cluster: in a fixed order, or drawn from a seed. Keeps back what the script holds or lets hang, and carries out at their moment the
/// statements that the script has tied to one.
/// </summary>
public sealed class Stepper(ClusterHarness cluster, ulong seed)
{
    private const int StepsMax = 200_000;
    // A node that is refused dials anew after a pause; without one a lasting refusal would be repeated for ever at the same moment.
    private const int DialsAtOnceMax = 8;
    private const long DialPauseMs = 1_000;
    private readonly Prng? _chance = seed == 0 ? null : new Prng(seed);
    private int _dials;
    private long _dialsSinceMs;

    /// <summary>Frames that wait, with all behind them: receiving node and kind.</summary>
    public List<(int To, FrameKind Kind)> Held { get; } = [];

    /// <summary>Disks that fail or hang.</summary>
    public List<DiskFault> Faults { get; } = [];

    /// <summary>Statements tied to frames.</summary>
    public List<FrameTrigger> Triggers { get; } = [];

    /// <summary>Called after each step.</summary>
    public Action OnStepped { get; set; } = () => { };

    /// <summary>Called before each step; true if something was done instead.</summary>
    public Func<bool> OnBeforeStep { get; set; } = () => false;

    /// <summary>Carries out a statement without letting anything follow from it yet.</summary>
    public Action<Statement> Execute { get; set; } = _ => { };

    /// <summary>Bytes of resync data delivered over the newest link.</summary>
    public long ResyncedBytes { get; private set; }

    private LinkId ResyncLink { get; set; }

    /// <summary>Lets everything happen that can. Throws if it never comes to rest.</summary>
    public void Run()
    {
        for (int i = 0; StepOnce(); i++)
        {
            if (i > StepsMax)
                throw new InvalidOperationException("the cluster does not come to rest");
        }
    }

    /// <summary>Lets time pass, and what follows from it.</summary>
    public void Tick(long milliseconds)
    {
        cluster.Tick(milliseconds);
        OnStepped();
        Run();
    }

    private bool StepOnce()
    {
        if (OnBeforeStep())
            return true;
        bool stepped = _chance is null ? InOrder() : AtRandom(_chance);
        if (stepped)
            OnStepped();
        return stepped;
    }

    private bool InOrder() => CompleteFirst(cluster.Alpha) || CompleteFirst(cluster.Beta) || Deliver(cluster.Beta) || Deliver(cluster.Alpha)
        || CloseFailed(cluster.Alpha) || CloseFailed(cluster.Beta) || Establish();

    private bool AtRandom(Prng chance)
    {
        List<Func<bool>> possible = [];
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            foreach (PendingOperation operation in Completable(node))
                possible.Add(() => Complete(node, operation));
            possible.Add(() => Deliver(node));
            possible.Add(() => CloseFailed(node));
        }

        possible.Add(Establish);
        while (possible.Count > 0)
        {
            int i = chance.Below(possible.Count);
            if (possible[i]())
                return true;
            possible.RemoveAt(i);
        }

        return false;
    }

    private bool Establish()
    {
        if (cluster.NowMs - _dialsSinceMs >= DialPauseMs)
            (_dials, _dialsSinceMs) = (0, cluster.NowMs);
        if (_dials >= DialsAtOnceMax || !cluster.TryEstablish())
            return false;
        _dials++;
        return true;
    }

    private IEnumerable<PendingOperation> Completable(SimulatedNode node) =>
        !node.IsAlive || node.IsFrozen ? [] : node.Completable().Where(o => !Faults.Exists(f => f.Result is null && f.Hits(node, o)));

    private bool CompleteFirst(SimulatedNode node) => Completable(node).FirstOrDefault() is { } operation && Complete(node, operation);

    private bool Complete(SimulatedNode node, PendingOperation operation)
    {
        DiskFault? fault = Faults.Find(f => f.Result is not null && f.Hits(node, operation));
        if (fault is { IsOnce: true })
            Faults.Remove(fault);
        cluster.Complete(node, operation, fault?.Result);
        return true;
    }

    private bool Deliver(SimulatedNode to)
    {
        if (!to.IsAlive || to.IsFrozen)
            return false;
        if (cluster.Link is not { IsCut: false } link || link.IsClosed[to.Index] || !link.To[to.Index].TryPeek(out byte[]? frame))
            return cluster.Deliver(to);
        FrameKind kind = PeerMessageCodec.PeekKind(frame);
        if (Held.Contains((to.Index, kind)) || Fire(to, kind, isBefore: true))
            return Held.Contains((to.Index, kind)) ? false : true;
        Count(link.Id, kind, frame);
        bool delivered = cluster.Deliver(to);
        Fire(to, kind, isBefore: false);
        return delivered;
    }

    private bool Fire(SimulatedNode to, FrameKind kind, bool isBefore)
    {
        FrameTrigger? trigger = Triggers.Find(t => t.To == to.Index && t.Kind == kind && t.IsBefore == isBefore);
        if (trigger is null || trigger.Skip-- > 0)
            return false;
        Triggers.Remove(trigger);
        foreach (Statement statement in trigger.Statements)
            Execute(statement);
        return true;
    }

    private void Count(LinkId link, FrameKind kind, byte[] frame)
    {
        if (link != ResyncLink)
            ResyncedBytes = 0;
        ResyncLink = link;
        if (kind == FrameKind.ResyncData && ResyncDataFrameReader.TryRead(frame, out ResyncDataFrameReader data, out _))
            ResyncedBytes += data.Range.Length;
    }

    // What the daemon does with a disk that Core gave up: nothing of it is under way any more, and it is closed.
    private static bool CloseFailed(SimulatedNode node) => node.IsAlive && !node.IsFrozen && node.CloseDetached();
}
