using System.Globalization;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Who is inside a call into one disk at this moment, in which, and since when: what <c>disk-timeout</c> is measured by and what <c>status</c> shows (hard part 28). Thread-safe, without a lock as
/// long as no more than <see cref="CallsAtOnce"/> are inside, because every read and write of the disk comes by; allocates nothing then.
/// </summary>
/// <param name="path">The disk, in the words of the configuration.</param>
internal sealed class DiskWatch(string path)
{
    // The threads of one disk, those of its clients, and a few more: a save, a resize, the closing. A power of two.
    private const int CallsAtOnce = 64;

    private readonly Call[] _calls = [.. Enumerable.Range(0, CallsAtOnce).Select(_ => new Call())];
    private readonly List<Call> _more = [];
    private readonly List<Call> _places = [];

    /// <summary>A place for one call, or for one request that is under way.</summary>
    internal sealed class Call
    {
        // Whoever sets it from 0 to 1 owns the call's other fields until he sets it back.
        internal int IsTaken;

        // Null while nobody is inside. Written last at the beginning and first at the end, so that who reads it sees a beginning that is no older than the call.
        internal string? What;
        internal long Offset;
        internal long Length;
        internal long SinceMs;
    }

    /// <summary>The disk.</summary>
    public string Path => path;

    /// <summary>A call begins. What is returned ends it.</summary>
    /// <param name="what">The call in a noun, like "a write".</param>
    /// <param name="offset">Where on the disk; with length 0 it has no place.</param>
    /// <param name="length">Bytes.</param>
    public int Begin(string what, long offset, long length)
    {
        int first = Environment.CurrentManagedThreadId;
        for (int i = 0; i < CallsAtOnce; i++)
        {
            int at = (first + i) & (CallsAtOnce - 1);
            Call call = _calls[at];
            if (Volatile.Read(ref call.IsTaken) != 0 || Interlocked.CompareExchange(ref call.IsTaken, 1, 0) != 0)
                continue;
            Fill(call, what, offset, length);
            return at;
        }

        lock (_more)
        {
            int at = _more.FindIndex(static call => call.What is null);
            if (at < 0)
            {
                at = _more.Count;
                _more.Add(new Call());
            }

            Fill(_more[at], what, offset, length);
            return CallsAtOnce + at;
        }
    }

    /// <summary>A call has returned.</summary>
    public void End(int call)
    {
        if (call < CallsAtOnce)
        {
            Volatile.Write(ref _calls[call].What, null);
            Volatile.Write(ref _calls[call].IsTaken, 0);
            return;
        }

        lock (_more)
            _more[call - CallsAtOnce].What = null;
    }

    /// <summary>A place of the caller's own, for one request at a time that goes on without anybody inside a call. It stays as long as the watch.</summary>
    public Call AddPlace()
    {
        var place = new Call();
        lock (_more)
            _places.Add(place);
        return place;
    }

    /// <summary>A request begins in the caller's own place.</summary>
    public static void Begin(Call place, string what, long offset, long length) => Fill(place, what, offset, length);

    /// <summary>A request is back.</summary>
    public static void End(Call place) => Volatile.Write(ref place.What, null);

    /// <summary>The call that has been inside for the longest, if it is at least <paramref name="sinceMs"/>; null if none is.</summary>
    public string? Oldest(long sinceMs)
    {
        Call? oldest = null;
        string what = "";
        long since = long.MaxValue;
        int count = 0;
        void Look(Call call)
        {
            if (Volatile.Read(ref call.What) is not { } inside)
                return;
            count++;
            if (Volatile.Read(ref call.SinceMs) >= since)
                return;
            (oldest, what, since) = (call, inside, call.SinceMs);
        }

        foreach (Call call in _calls)
            Look(call);
        lock (_more)
        {
            _more.ForEach(Look);
            _places.ForEach(Look);
        }

        long forMs = ResourceRuntime.NowMs - since;
        if (oldest is null || forMs < sinceMs)
            return null;
        string place = oldest.Length > 0 ? string.Create(CultureInfo.InvariantCulture, $" of {oldest.Length} bytes at {oldest.Offset}") : "";
        string others = count > 1 ? string.Create(CultureInfo.InvariantCulture, $", and {count - 1} more calls with it") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{path}: {what}{place} has not returned for {forMs} ms{others}");
    }

    private static void Fill(Call call, string what, long offset, long length)
    {
        call.Offset = offset;
        call.Length = length;
        Volatile.Write(ref call.SinceMs, ResourceRuntime.NowMs);
        Volatile.Write(ref call.What, what);
    }
}
