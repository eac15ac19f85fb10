using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>
/// Carries out <c>fence-peer</c> and <c>unfence-peer</c> truthfully and in its own time, those of one node in the order of their calls: it looks at the peer, outdates or shoots it, and the answer
/// reaches the node later, perhaps after the connection is back, or back and lost again. A node that was fenced is barred from fencing until it is let in again, as a cluster manager's constraint
/// would have it.
/// </summary>
public sealed class FenceAgent(ClusterHarness cluster, Prng chance, Mix mix, Action<SimulatedNode> shoot, Action<string> note)
{
    // Of the times that it is a late answer's turn, the one that it comes.
    private const int LatenessMax = 10;

    private readonly List<Job> _jobs = [];
    private readonly bool[] _isBarred = new bool[2];

    /// <summary>No living node is shot any more, and no answer is late.</summary>
    public bool IsCalm { get; set; }

    private bool Shoots => mix.Fencing == FencingPolicy.ResourceAndStonith;

    /// <summary>A node was fenced and has not been let in again.</summary>
    public bool IsBarred(SimulatedNode node) => _isBarred[node.Index];

    private sealed class Job(SimulatedNode node, HandlerCall call)
    {
        public SimulatedNode Node { get; } = node;

        public HandlerCall Call { get; } = call;

        public CommandTicket? Ticket { get; set; }

        /// <summary>Whom it was asked of: a process that died answers nobody.</summary>
        public ResourceCore? Asked { get; set; }

        public int TriesLeft { get; set; } = 8;

        public int? Code { get; set; }

        public bool IsLate { get; init; }
    }

    /// <summary>Does one thing if there is one to do.</summary>
    public bool Advance()
    {
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            foreach (HandlerCall call in node.Handlers)
            {
                if (!_jobs.Exists(job => job.Node == node && job.Call == call))
                    _jobs.Add(new Job(node, call) { IsLate = chance.Below(100) < mix.LateAnswerPercent });
            }
        }

        _jobs.RemoveAll(static job => !job.Node.Handlers.Contains(job.Call));
        if (_jobs.Count == 0)
            return false;
        Job drawn = _jobs[chance.Below(_jobs.Count)];
        Job next = _jobs.Find(job => job.Node == drawn.Node)!;
        if (next is { IsLate: true, Code: not null } && !IsCalm && !chance.OneIn(LatenessMax))
            return false;
        if (next.Code is { } code)
            Answer(next, code);
        else
            next.Code = Act(next);
        return true;
    }

    private void Answer(Job job, int code)
    {
        note($"{job.Node.Name} hears {code} from {job.Call.Kind}");
        _jobs.Remove(job);
        job.Node.Handlers.Remove(job.Call);
        job.Node.Apply(new CoreEvent { Kind = CoreEventKind.HandlerCompleted, Subject = new HandlerOutcome(job.Call, code, "") });
    }

    private int? Act(Job job)
    {
        SimulatedNode peer = cluster.Other(job.Node);
        if (job.Call.Kind == HandlerKind.UnfencePeer)
        {
            _isBarred[peer.Index] = false;
            return 0;
        }

        if (job.Call.Kind != HandlerKind.FencePeer)
            return 0;
        int? code = _isBarred[job.Node.Index] ? 1 : Fence(job, peer);
        if (code is 3 or 4 or 7 || (code == 5 && job.Node.Status.DiskState(ClusterHarness.Volume0) == DiskState.UpToDate))
            _isBarred[peer.Index] = true;
        if (code is not null)
            note($"{job.Node.Name} fences {peer.Name}: {code}");
        return code;
    }

    private int? Fence(Job job, SimulatedNode peer)
    {
        if (!peer.IsAlive)
        {
            if (!Shoots)
                return 5;
            shoot(peer);
            return 7;
        }

        if (job.Ticket is null && Shoots && !IsCalm && peer.Core.Role != Role.Primary && chance.OneIn(3))
        {
            shoot(peer);
            return 7;
        }

        if (job.Ticket is null && chance.OneIn(4))
            return 5;
        if (job.Ticket is null || job.Asked != peer.Core)
            (job.Asked, job.Ticket) = (peer.Core, cluster.Command(peer, OperatorVerb.Outdate));
        switch (job.Ticket.ExitCode)
        {
            case 0:
                return 4;
            case 17:
                return 3;
            case -1:
                return null;
            default:
                // Not refused for good: it may not have noticed the loss itself yet.
                job.Ticket = null;
                return peer.Core.Role == Role.Primary ? 6 : --job.TriesLeft == 0 ? 1 : null;
        }
    }
}
