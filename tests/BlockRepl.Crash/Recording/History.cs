namespace BlockRepl.Crash.Recording;

/// <summary>
/// One run of two nodes: what their disks were told, what went over the wire, what clients were answered, all by one clock that only counts. Written by any thread; read when the
/// run is over.
/// </summary>
internal sealed class History(string scenario, ulong seed, DiskLog[][] disks)
{
    private readonly Lock _gate = new();
    private readonly List<WireChunk> _chunks = [];
    private readonly List<(long At, string Text)> _steps = [];
    private long _now;

    public string Scenario => scenario;

    public ulong Seed => seed;

    /// <summary>By node: its data disk, and its metadata's own if it has one.</summary>
    public DiskLog[][] Disks => disks;

    public Ledger Ledger { get; init; } = new();

    public List<WireChunk> Chunks => _chunks;

    /// <summary>What the scenario did, for the text of a failure.</summary>
    public List<(long At, string Text)> Steps => _steps;

    public long Now
    {
        get => Interlocked.Read(ref _now);
        set => Interlocked.Exchange(ref _now, value);
    }

    public long Next() => Interlocked.Increment(ref _now);

    public void Deliver(int from, long sent)
    {
        lock (_gate)
            _chunks.Add(new WireChunk(from, sent, Next()));
    }

    /// <summary>
    /// The scenario does something to both nodes or after having waited for one of them: what comes later on either node may follow from what came before on the other, though no
    /// byte on the wire says so.
    /// </summary>
    public long Step(string text)
    {
        lock (_gate)
        {
            long at = Next();
            _steps.Add((at, text));
            _chunks.Add(new WireChunk(0, at, Next()));
            _chunks.Add(new WireChunk(1, at, Next()));
            return at;
        }
    }

    public string StepAt(long time) => _steps.LastOrDefault(step => step.At <= time).Text ?? "the beginning";

    /// <summary>The earliest and latest moment at which the other node may be cut when <paramref name="node"/> is cut at <paramref name="time"/>: nothing was received that was not sent.</summary>
    public (long First, long Last) WindowFor(int node, long time)
    {
        long first = 0;
        long last = Now;
        foreach (WireChunk chunk in _chunks)
        {
            if (chunk.From != node && chunk.Delivered <= time)
                first = Math.Max(first, chunk.Sent);
            else if (chunk.From == node && chunk.Sent > time)
                last = Math.Min(last, chunk.Delivered - 1);
        }

        return (first, Math.Max(first, last));
    }
}
