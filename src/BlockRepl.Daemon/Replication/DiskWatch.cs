using System.Globalization;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Who is inside a call into one disk at this moment, in which, and since when: what <c>disk-timeout</c> is measured by and what <c>status</c> shows (hard part 28). Thread-safe; allocates nothing
/// as long as no more than <see cref="CallsAtOnce"/> are inside.
/// </summary>
/// <param name="path">The disk, in the words of the configuration.</param>
internal sealed class DiskWatch(string path)
{
    // The threads of one disk, and a few more: a save, a resize, the closing.
    private const int CallsAtOnce = 16;

    private readonly Lock _lock = new();
    private Call[] _calls = new Call[CallsAtOnce];

    private struct Call
    {
        public string? What;
        public long Offset;
        public long Length;
        public long SinceMs;
    }

    /// <summary>The disk.</summary>
    public string Path => path;

    /// <summary>A call begins. What is returned ends it.</summary>
    /// <param name="what">The call in a noun, like "a write".</param>
    /// <param name="offset">Where on the disk; with length 0 it has no place.</param>
    /// <param name="length">Bytes.</param>
    public int Begin(string what, long offset, long length)
    {
        lock (_lock)
        {
            int free = Array.FindIndex(_calls, static call => call.What is null);
            if (free < 0)
            {
                free = _calls.Length;
                Array.Resize(ref _calls, free * 2);
            }

            _calls[free] = new Call { What = what, Offset = offset, Length = length, SinceMs = ResourceRuntime.NowMs };
            return free;
        }
    }

    /// <summary>A call has returned.</summary>
    public void End(int call)
    {
        lock (_lock)
            _calls[call].What = null;
    }

    /// <summary>The call that has been inside for the longest, if it is at least <paramref name="sinceMs"/>; null if none is.</summary>
    public string? Oldest(long sinceMs)
    {
        lock (_lock)
        {
            int oldest = -1;
            int count = 0;
            for (int i = 0; i < _calls.Length; i++)
            {
                if (_calls[i].What is null)
                    continue;
                count++;
                if (oldest < 0 || _calls[i].SinceMs < _calls[oldest].SinceMs)
                    oldest = i;
            }

            if (oldest < 0)
                return null;
            Call call = _calls[oldest];
            long forMs = ResourceRuntime.NowMs - call.SinceMs;
            if (forMs < sinceMs)
                return null;
            string place = call.Length > 0 ? string.Create(CultureInfo.InvariantCulture, $" of {call.Length} bytes at {call.Offset}") : "";
            string others = count > 1 ? string.Create(CultureInfo.InvariantCulture, $", and {count - 1} more calls with it") : "";
            return string.Create(CultureInfo.InvariantCulture, $"{path}: {call.What}{place} has not returned for {forMs} ms{others}");
        }
    }
}
