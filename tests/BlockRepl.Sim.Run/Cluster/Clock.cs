namespace BlockRepl.Sim.Run;

/// <summary>Simulated time: what is to happen, by when. Two things of the same microsecond happen in the order in which they were asked for.</summary>
internal sealed class Clock
{
    private readonly PriorityQueue<Action, (long AtUs, long Nr)> _queue = new();
    // A hundred times what the longest run needs: a state machine that answers itself for ever is found, not waited for.
    private const long HappenedMax = 20_000_000;

    private long _numbers;

    /// <summary>Monotonic microseconds.</summary>
    public long NowUs { get; private set; } = 1_000_000_000;

    /// <summary>What nodes call now, in milliseconds.</summary>
    public long NowMs => NowUs / 1000;

    /// <summary>Things that have happened.</summary>
    public long Happened { get; private set; }

    /// <summary>Lets something happen after a delay.</summary>
    public void In(long delayUs, Action what) => _queue.Enqueue(what, (NowUs + Math.Max(0, delayUs), ++_numbers));

    /// <summary>Lets the next thing happen, if it is due before a time; else time goes on to there and false is returned.</summary>
    public bool Step(long untilUs)
    {
        if (!_queue.TryPeek(out Action? what, out (long AtUs, long Nr) key) || key.AtUs > untilUs)
        {
            NowUs = Math.Max(NowUs, untilUs);
            return false;
        }

        _queue.Dequeue();
        NowUs = Math.Max(NowUs, key.AtUs);
        if (++Happened > HappenedMax)
            throw new ViolationException("liveness", $"it does not come to rest: {HappenedMax} things have happened");
        what();
        return true;
    }
}
