namespace BlockRepl.Core;

/// <summary>
/// How fast the resyncs towards one peer go: the one knob <c>resync-impact</c> instead of rates. While the application is idle they may fill the link. While it works, what is on the way
/// (read, sent, and not yet written by the target) is steered so that the mean time of the application's requests stays within the knob of what it is without a resync, which is measured in
/// short pauses. Pure bookkeeping on the event's clock.
/// </summary>
/// <remarks>
/// <code>
/// mean time allowed = time without resync / (1 - impact)
/// every 300 ms or 20 answers:  window = window * (allowed / measured), at most * 1.5, at least / 1.5
/// every 5 s:                   nothing on the way for 150 ms: measures the time without resync, half of which counts
/// window below one piece:      one piece, then a gap, so that pieces fill only window / piece of the time; at most 250 ms,
///                              so that a resync always ends (DRBD's c-min-rate, 250 KiB/s)
/// </code>
/// A window instead of a rate, because what an application's change waits for on the link and on the target's disk is what is ahead of it.
/// </remarks>
internal sealed class ResyncPace
{
    /// <summary>Bytes of the smallest piece.</summary>
    public const int PieceBytesMin = 64 << 10;

    private const long WindowIdleMin = 4 << 20;
    private const long WindowMax = 16 << 20;
    private const long WindowMin = PieceBytesMin / 64;
    private const long WindowUnsteered = 256 << 10;

    // Little, and grown from there: what is too much at first is a good part of the slowest hundredth of the application's requests.
    private const long WindowFirst = 16 << 10;
    private const long GapMaxUs = 250_000;
    private const long StepUs = 300_000;
    private const long StepMaxUs = 1_000_000;
    private const int StepAnswers = 20;
    private const int StepAnswersMin = 3;
    private const long ProbeUs = 150_000;
    private const long ProbeMaxUs = 500_000;
    private const long ProbeIntervalUs = 5_000_000;

    // Each the inverse of the other: where requests take now longer, now shorter for reasons of their own, the two must cancel out, or the window would creep to its end.
    private const double Grow = 1.5;
    private const double Shrink = 1 / Grow;

    private double _window = WindowFirst;
    private double _baseUs;
    private long _idleWindow = WindowIdleMin;
    private long _idleSinceUs;
    private long _idleBytes;
    private long _leastTookUs = long.MaxValue;
    private long _leastTookSinceUs;
    private long _notBeforeUs;
    private long _sinceUs;
    private long _answers;
    private long _timeSumUs;
    private long _nextProbeUs;
    private bool _isProbing;
    private bool _isSteered;
    private bool _isPeerActive;
    private bool _heldBack;

    /// <summary>Bytes that may be on the way now.</summary>
    public long Window => _isSteered ? Math.Max(PieceBytesMin, (long)_window) : _isPeerActive ? WindowUnsteered : _idleWindow;

    /// <summary>Bytes of the next piece of data: small where little may be on the way.</summary>
    public int PieceBytes => (int)Math.Clamp(Window / 4 & -PieceBytesMin, PieceBytesMin, ResyncChunk.DataBytesMax);

    /// <summary>The application holds resyncs back at this moment.</summary>
    public bool IsHeldBack => _isSteered;

    /// <summary>The mean time of the application's requests without a resync, as last measured (µs); zero before that.</summary>
    public double BaseUs => _baseUs;

    /// <summary>Takes a step if one is due. Called after every event while a resync runs with this node as the source.</summary>
    public void Advance(ApplicationMeter application, int impactPercent, long onTheWay, long nowUs)
    {
        bool steers = impactPercent < 100 && application.IsActive(nowUs);
        _isPeerActive = impactPercent < 100 && application.IsPeerActive(nowUs);
        if (!steers)
        {
            _isSteered = _isProbing = false;
            return;
        }

        if (!_isSteered)
        {
            _isSteered = true;
            Restart(application, nowUs);
        }

        if (!_isProbing && nowUs >= _nextProbeUs)
        {
            _isProbing = true;
            Restart(application, nowUs);
        }

        if (_isProbing)
            Probe(application, onTheWay, nowUs);
        else
            Steer(application, impactPercent, nowUs);
    }

    /// <summary>Whether another piece may be read, with so much on the way.</summary>
    public bool MayRead(long onTheWay, long nowUs)
    {
        if (_isProbing)
            return false;
        bool may = onTheWay == 0 ? !_isSteered || nowUs >= _notBeforeUs : onTheWay + PieceBytes <= Window;
        _heldBack |= !may;
        return may;
    }

    /// <summary>The target has written pieces; the newest <paramref name="tookUs"/> after it was asked for.</summary>
    public void PieceDone(long bytes, long tookUs, long nowUs)
    {
        if (_isSteered && _window < PieceBytesMin)
            _notBeforeUs = nowUs + Math.Min(GapMaxUs, (long)(tookUs * (PieceBytesMin / _window - 1)));
        if (!_isSteered)
            FitIdleWindow(bytes, tookUs, nowUs);
    }

    private void Probe(ApplicationMeter application, long onTheWay, long nowUs)
    {
        if (onTheWay > 0)
        {
            Restart(application, nowUs);
            return;
        }

        long elapsed = nowUs - _sinceUs;
        long answers = application.Answers - _answers;
        bool isOver = elapsed >= ProbeUs && answers >= StepAnswers || elapsed >= ProbeMaxUs;
        if (!isOver)
            return;
        if (answers > 0)
        {
            double mean = Math.Max(1, (double)(application.TimeSumUs - _timeSumUs) / answers);
            _baseUs = _baseUs == 0 ? mean : (_baseUs + mean) / 2;
        }

        _isProbing = false;
        _nextProbeUs = nowUs + ProbeIntervalUs;
        Restart(application, nowUs);
    }

    private void Steer(ApplicationMeter application, int impactPercent, long nowUs)
    {
        long elapsed = nowUs - _sinceUs;
        long answers = application.Answers - _answers;
        bool isDue = elapsed >= StepUs && answers >= StepAnswers || elapsed >= StepMaxUs;
        if (!isDue)
            return;
        if (answers >= StepAnswersMin && _baseUs > 0)
        {
            double mean = Math.Max(1, (double)(application.TimeSumUs - _timeSumUs) / answers);
            double allowed = _baseUs * 100 / (100 - impactPercent);

            // A window that is not used up says nothing about a larger one.
            _window *= Math.Clamp(allowed / mean, Shrink, _heldBack ? Grow : 1);
        }
        else if (answers == 0)
        {
            // Somebody has been waiting all the time.
            _window *= Shrink;
        }

        _window = Math.Clamp(_window, WindowMin, WindowMax);
        Restart(application, nowUs);
    }

    // Twice what is under way at the present rate in the shortest time that a piece has taken lately: enough to keep a long link full, and little ahead of an application that wakes up.
    private void FitIdleWindow(long bytes, long tookUs, long nowUs)
    {
        const long SpanUs = 100_000;
        const long ForgetUs = 10_000_000;
        if (tookUs < _leastTookUs || nowUs - _leastTookSinceUs > ForgetUs)
            (_leastTookUs, _leastTookSinceUs) = (tookUs, nowUs);
        _idleBytes += bytes;
        long elapsed = nowUs - _idleSinceUs;
        if (elapsed < SpanUs)
            return;
        if (elapsed < 10 * SpanUs)
            _idleWindow = Math.Clamp((long)(2.0 * _idleBytes * _leastTookUs / elapsed), WindowIdleMin, WindowMax);
        _idleSinceUs = nowUs;
        _idleBytes = 0;
    }

    private void Restart(ApplicationMeter application, long nowUs)
    {
        _sinceUs = nowUs;
        _answers = application.Answers;
        _timeSumUs = application.TimeSumUs;
        _heldBack = false;
    }
}
