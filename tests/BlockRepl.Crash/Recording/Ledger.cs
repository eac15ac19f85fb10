namespace BlockRepl.Crash.Recording;

/// <summary>
/// What clients wrote and were told, block by block, and so what a block may read as after a cut. A block's writers take turns, so its versions have an order. Filled by the
/// scenario's clients; read when the run is over.
/// </summary>
internal sealed class Ledger
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, List<BlockVersion>> _blocks = [];

    /// <summary>Flushes that were answered: by whom, when they were asked for, and when answered.</summary>
    public List<(int Node, long Asked, long Answered)> Flushes { get; } = [];

    /// <summary>By node: spans of time in which it held everything: in sync, or serving.</summary>
    public List<(long From, long To)>[] Holds { get; } = [[], []];

    /// <summary>Blocks that the scenario damaged behind a node's back, until they were repaired.</summary>
    public List<(long Block, long From, long To)> Damage { get; } = [];

    public IReadOnlyDictionary<long, List<BlockVersion>> Blocks => _blocks;

    public BlockVersion Begin(long block, int node, long asked, bool isZeroes, bool isForced)
    {
        lock (_gate)
        {
            if (!_blocks.TryGetValue(block, out List<BlockVersion>? versions))
                _blocks.Add(block, versions = [new BlockVersion(0, 0, 0, IsZeroes: true, IsForced: true) { Answered = 0 }]);
            var version = new BlockVersion(versions.Count, node, asked, isZeroes, isForced);
            versions.Add(version);
            return version;
        }
    }

    public void Flushed(int node, long asked, long answered)
    {
        lock (_gate)
            Flushes.Add((node, asked, answered));
    }

    public void StartHolding(int node, long at) => Holds[node].Add((at, long.MaxValue));

    public void StopHolding(int node, long at) => Holds[node][^1] = (Holds[node][^1].From, at);

    public bool IsHolding(int node, long at) => Holds[node].Exists(span => span.From <= at && at < span.To);

    public bool IsDamaged(long block, CutTimes cut) => Damage.Exists(damage => damage.Block == block && damage.From <= Math.Max(cut.Alpha, cut.Beta) && Math.Min(cut.Alpha, cut.Beta) < damage.To);

    public void Load(long block, List<BlockVersion> versions) => _blocks.Add(block, versions);

    /// <summary>
    /// By block, the oldest version that may be seen after the cut: the newest one that was stable, or, where nothing that was written is lost, answered.
    /// </summary>
    /// <param name="cut">When each node was cut.</param>
    /// <param name="holder">Only what this node was to hold counts; null counts all.</param>
    /// <param name="acknowledgedIsEnough">A process died, not a host: what was written is there.</param>
    public Dictionary<long, int> Oldest(CutTimes cut, int? holder, bool acknowledgedIsEnough)
    {
        // What was answered before this was on the holder too: it was in sync then, or later.
        long heldUntil = holder is not { } node ? long.MaxValue
            : Holds[node].Where(span => span.From <= Math.Max(cut.Alpha, cut.Beta)).Select(span => span.To).DefaultIfEmpty(0).Max();
        long newestFlush = -1;
        foreach ((int server, long asked, long answered) in Flushes)
        {
            if (answered <= cut[server] && asked > newestFlush && answered < heldUntil)
                newestFlush = asked;
        }

        var oldest = new Dictionary<long, int>();
        foreach ((long block, List<BlockVersion> versions) in _blocks)
        {
            oldest[block] = versions.FindLastIndex(version => version.WasAnswered(cut)
                && (version.Answered < newestFlush || (version.Answered < heldUntil && (version.IsForced || acknowledgedIsEnough))));
        }

        return oldest;
    }
}
