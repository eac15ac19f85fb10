namespace BlockRepl.Core;

/// <summary>Who holds changes back, and since when (hard part 28).</summary>
internal sealed class FreezeRecord(ResourceContext context)
{
    private readonly long[] _sinceMs = new long[8];

    public FreezeReason Reasons { get; private set; }

    public bool IsFrozen => Reasons != FreezeReason.None;

    /// <summary>Whether one of these reasons holds.</summary>
    public bool Has(FreezeReason reason) => (Reasons & reason) != 0;

    /// <summary>When a reason that holds, of those given, began, in monotonic milliseconds.</summary>
    public long SinceMs(FreezeReason reason) => _sinceMs[IndexOf(Reasons & reason)];

    public void Add(FreezeReason reason)
    {
        if (Has(reason))
            return;
        Reasons |= reason;
        _sinceMs[IndexOf(reason)] = context.NowMs;
        context.StateChanged |= IsShown(reason);
    }

    public void Remove(FreezeReason reasons)
    {
        context.StateChanged |= IsShown(Reasons & reasons);
        Reasons &= ~reasons;
    }

    // A handshake takes a moment and reports its own end.
    private static bool IsShown(FreezeReason reason) => (reason & (FreezeReason.Fencing | FreezeReason.User | FreezeReason.NoData)) != 0;

    private static int IndexOf(FreezeReason reason) => int.TrailingZeroCount((int)reason);
}
