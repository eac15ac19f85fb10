namespace BlockRepl.Daemon.Control;

/// <summary>State changes, as they happen.</summary>
public interface IEventFeed
{
    /// <summary>Begins to listen: first everything that exists, then every change. The caller disposes the subscription.</summary>
    EventSubscription Subscribe();

    /// <summary>
    /// Ends at the next publication. Take it before looking at the state and await it after: then no change is missed.
    /// </summary>
    Task NextChangeAsync();
}
