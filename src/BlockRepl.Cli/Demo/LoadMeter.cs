using System.Diagnostics;

namespace BlockRepl.Cli.Demo;

/// <summary>Counts what a load does and how long each answer took. Thread-safe.</summary>
internal sealed class LoadMeter
{
    private readonly Lock _lock = new();
    private readonly List<float> _latenciesMs = [];
    private long _writes;
    private long _bytes;
    private long _flushes;
    private int _windowStart;
    private long _windowBytes;
    private long _windowTime = Stopwatch.GetTimestamp();
    private readonly long _startTime = Stopwatch.GetTimestamp();

    /// <summary>A write was acknowledged.</summary>
    public void Wrote(int bytes, TimeSpan latency)
    {
        lock (_lock)
        {
            _writes++;
            _bytes += bytes;
            _latenciesMs.Add((float)latency.TotalMilliseconds);
        }
    }

    /// <summary>A flush was answered.</summary>
    public void Flushed()
    {
        lock (_lock)
            _flushes++;
    }

    /// <summary>Everything since the start.</summary>
    public LoadFigures Total()
    {
        lock (_lock)
            return Figures(0, _bytes, Stopwatch.GetElapsedTime(_startTime));
    }

    /// <summary>What came since the last call; the rates are those of this window, the counts those since the start.</summary>
    public LoadFigures Window()
    {
        lock (_lock)
        {
            var figures = Figures(_windowStart, _bytes - _windowBytes, Stopwatch.GetElapsedTime(_windowTime));
            (_windowStart, _windowBytes, _windowTime) = (_latenciesMs.Count, _bytes, Stopwatch.GetTimestamp());
            return figures;
        }
    }

    private LoadFigures Figures(int from, long bytes, TimeSpan time)
    {
        var sorted = _latenciesMs[from..].ToArray();
        Array.Sort(sorted);
        var seconds = Math.Max(time.TotalSeconds, 0.001);
        return new LoadFigures(_writes, _bytes, _flushes, sorted.Length / seconds, bytes / seconds, At(0.5), At(0.99));

        double At(double share) => sorted.Length == 0 ? 0 : sorted[(int)(share * (sorted.Length - 1))];
    }
}
