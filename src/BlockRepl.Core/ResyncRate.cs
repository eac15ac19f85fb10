namespace BlockRepl.Core;

/// <summary>How fast the marks that are left become fewer, over a sliding window of some seconds: what an estimate of the end may honestly rest on.</summary>
internal sealed class ResyncRate
{
    private const int SamplesMax = 11;
    private const long IntervalMs = 1_000;

    private readonly Queue<(long AtMs, long LeftBytes)> _samples = new(SamplesMax);
    private (long AtMs, long LeftBytes) _newest;

    /// <summary>Bytes that are left, now. At most one sample a second is kept. True if it was.</summary>
    public bool Note(long nowMs, long leftBytes)
    {
        if (_samples.Count > 0 && nowMs - _newest.AtMs < IntervalMs)
            return false;
        if (_samples.Count == SamplesMax)
            _samples.Dequeue();
        _newest = (nowMs, leftBytes);
        _samples.Enqueue(_newest);
        return true;
    }

    /// <summary>A pause: what was before it says nothing about what comes after.</summary>
    public void Clear() => _samples.Clear();

    /// <summary>Bytes a second; zero while nothing becomes less, or too little is known.</summary>
    public long BytesPerSecond
    {
        get
        {
            if (!_samples.TryPeek(out (long AtMs, long LeftBytes) oldest) || _newest.AtMs <= oldest.AtMs)
                return 0;
            return Math.Max(0, (oldest.LeftBytes - _newest.LeftBytes) * 1000 / (_newest.AtMs - oldest.AtMs));
        }
    }
}
