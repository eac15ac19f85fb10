namespace BlockRepl.Daemon.Control;

/// <summary>
/// Turns published states into events and hands them to listeners. Owned by the daemon; any thread may call it, also
/// under a resource's gate: it never blocks and never calls back. States of one resource must be published in order.
/// </summary>
public sealed class EventHub : IEventFeed
{
    /// <summary>Events that one listener may be behind before it is cut.</summary>
    public const int QueueLengthDefault = 4096;

    private readonly Lock _gate = new();
    private readonly int _queueLength;
    private readonly List<string> _order = [];
    private readonly Dictionary<string, ResourceStatus> _latest = [];
    private readonly List<EventSubscription> _subscriptions = [];
    private TaskCompletionSource? _nextChange;

    /// <summary>Creates a hub that knows no resource.</summary>
    public EventHub(int queueLength = QueueLengthDefault) => _queueLength = queueLength;

    /// <summary>
    /// Makes a resource's new state known. Call it after each change of a role, a state, a suspension or a size, when
    /// out_of_sync_bytes has become 0, and about once a second while a resync runs.
    /// </summary>
    public void Publish(ResourceStatus status)
    {
        lock (_gate)
        {
            _latest.TryGetValue(status.Name, out var before);
            if (before is null)
                _order.Add(status.Name);
            _latest[status.Name] = status;
            Announce(before, status);
        }
    }

    /// <summary>Makes known that a resource is no longer configured.</summary>
    public void Remove(string resource)
    {
        lock (_gate)
        {
            if (!_latest.Remove(resource, out var before))
                return;
            _order.Remove(resource);
            Announce(before, null);
        }
    }

    /// <inheritdoc/>
    public EventSubscription Subscribe()
    {
        lock (_gate)
        {
            var dump = _order.SelectMany(name => StatusObject.Flatten(_latest[name])
                .Select(o => new StatusEvent("exists", o.Type, name, o.Fields)));
            var subscription = new EventSubscription([.. dump, StatusEvent.EndOfDump], _queueLength, Leave);
            _subscriptions.Add(subscription);
            return subscription;
        }
    }

    /// <inheritdoc/>
    public Task NextChangeAsync()
    {
        lock (_gate)
        {
            // Continuations must not run on the publisher's thread, which may hold a resource's gate.
            _nextChange ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _nextChange.Task;
        }
    }

    private void Announce(ResourceStatus? before, ResourceStatus? after)
    {
        if (_subscriptions.Count > 0)
        {
            var events = StatusObject.Difference(before, after);
            _subscriptions.RemoveAll(s => !events.TrueForAll(s.Offer));
        }
        _nextChange?.TrySetResult();
        _nextChange = null;
    }

    private void Leave(EventSubscription subscription)
    {
        lock (_gate)
            _subscriptions.Remove(subscription);
    }
}
