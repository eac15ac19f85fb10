using System.Threading.Channels;

namespace BlockRepl.Daemon.Control;

/// <summary>
/// One listener's bounded queue. A listener that lets it fill is cut: the queue ends after what it holds and
/// <see cref="WasCut"/> is true. The daemon never waits for a listener (G12).
/// </summary>
public sealed class EventSubscription : IDisposable
{
    private readonly Channel<StatusEvent> _queue;
    private readonly Action<EventSubscription> _leave;

    internal EventSubscription(IReadOnlyList<StatusEvent> dump, int capacity, Action<EventSubscription> leave)
    {
        Dump = dump;
        _leave = leave;
        _queue = Channel.CreateBounded<StatusEvent>(new BoundedChannelOptions(capacity) { SingleReader = true });
    }

    /// <summary>What existed when the subscription began, ending with <see cref="StatusEvent.EndOfDump"/>.</summary>
    public IReadOnlyList<StatusEvent> Dump { get; }

    /// <summary>The changes since then, in order.</summary>
    public ChannelReader<StatusEvent> Changes => _queue.Reader;

    /// <summary>True when the queue ended because it was full.</summary>
    public bool WasCut { get; private set; }

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        _leave(this);
        _queue.Writer.TryComplete();
    }

    /// <summary>Queues an event; false when the listener is too slow and has been cut. Called under the hub's lock.</summary>
    internal bool Offer(StatusEvent change)
    {
        if (_queue.Writer.TryWrite(change))
            return true;
        WasCut = true;
        _queue.Writer.TryComplete();
        return false;
    }
}
