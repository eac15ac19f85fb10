using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>One client request that Core sees as several changes, because it touches more activity-log extents than one change may. Thread-safe.</summary>
internal sealed class SplitChange(NbdRequest request, int parts)
{
    private int _left = parts;
    private int _errno;

    /// <summary>The client's request.</summary>
    public NbdRequest Request { get; } = request;

    /// <summary>A part is over. True for the last one, with the first error of any part.</summary>
    public bool PartDone(DiskResult result, out DiskResult whole)
    {
        if (!result.IsOk)
            Interlocked.CompareExchange(ref _errno, result.Errno, 0);
        bool last = Interlocked.Decrement(ref _left) == 0;
        whole = new DiskResult(Volatile.Read(ref _errno));
        return last;
    }
}
