namespace BlockRepl.Core;

/// <summary>
/// How the application fares: how many of its changes and flushes were answered, and how long that took. One for a resource, whatever the volume. Allocates nothing.
/// </summary>
internal sealed class ApplicationMeter
{
    // An application that asked for nothing for this long is idle.
    private const long IdleUs = 200_000;

    private long _lastUs = long.MinValue / 2;
    private long _lastPeerChangeUs = long.MinValue / 2;
    private int _inFlight;

    /// <summary>Requests answered since the beginning.</summary>
    public long Answers { get; private set; }

    /// <summary>Sum of the times that they took (µs).</summary>
    public long TimeSumUs { get; private set; }

    /// <summary>A client asked for a change or a flush.</summary>
    public void Asked(ChangeRequest request, long nowUs)
    {
        request.AskedUs = nowUs;
        _lastUs = nowUs;
        _inFlight++;
    }

    /// <summary>A client was answered.</summary>
    public void Answered(ChangeRequest request, long nowUs)
    {
        _inFlight--;
        _lastUs = nowUs;
        Answers++;
        TimeSumUs += nowUs - request.AskedUs;
    }

    /// <summary>This node is Secondary and got a change of the Primary's application.</summary>
    public void NotePeerChange(long nowUs) => _lastPeerChangeUs = nowUs;

    /// <summary>An application works on this node.</summary>
    public bool IsActive(long nowUs) => _inFlight > 0 || nowUs - _lastUs < IdleUs;

    /// <summary>An application works on the peer; how it fares is not known here.</summary>
    public bool IsPeerActive(long nowUs) => nowUs - _lastPeerChangeUs < IdleUs;
}
