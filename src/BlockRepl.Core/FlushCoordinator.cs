using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Lets one local flush serve everybody who waits for one: while a flush runs, later askers gather and share the next.
/// A flush covers the changes completed before it was started, so an asker never joins one that runs already.
/// </summary>
internal sealed class FlushCoordinator
{
    private List<FlushWaiter> _waiting = [];
    private List<FlushWaiter> _covered = [];

    /// <summary>Ticket of the flush that runs; zero if none does.</summary>
    public ulong Running { get; private set; }

    /// <summary>Stream position that the running flush will make stable.</summary>
    public SequenceNumber Covers { get; private set; }

    /// <summary>Whether somebody waits for a flush that has not been started.</summary>
    public bool HasWaiting => _waiting.Count > 0;

    /// <summary>Whether nobody waits for anything.</summary>
    public bool IsIdle => Running == 0 && _waiting.Count == 0;

    /// <summary>Clients' flushes that wait for one that runs or will run.</summary>
    public IEnumerable<ChangeRequest> Clients =>
        _covered.Concat(_waiting).Where(static waiter => waiter.Kind == FlushWaiterKind.Client).Select(static waiter => (ChangeRequest)waiter.Subject);

    /// <summary>Asks for a flush that starts from now on.</summary>
    public void Ask(FlushWaiter waiter) => (Canary.FlushJoinsRunning && Running != 0 ? _covered : _waiting).Add(waiter);

    /// <summary>Nobody waits for the running flush but bookkeeping.</summary>
    public bool RunsInBackground { get; private set; }

    /// <summary>A flush is being started for all who wait.</summary>
    public void Start(ulong ticket, SequenceNumber covers)
    {
        Check.That(Running == 0 && _covered.Count == 0, "one flush at a time");
        Running = ticket;
        Covers = covers;
        (_waiting, _covered) = (_covered, _waiting);
        RunsInBackground = true;
        foreach (FlushWaiter waiter in _covered)
            RunsInBackground &= waiter.IsBackground;
    }

    /// <summary>The flush is over. Returns those it served; the list is valid until the next <see cref="Start"/> and must then be empty.</summary>
    public List<FlushWaiter> Finish(ulong ticket)
    {
        Check.That(Running == ticket, "a flush that does not run was completed");
        Running = 0;
        return _covered;
    }

    /// <summary>Moves everybody who waits into the list given: the disk is gone. Returns whether a flush was running, whose end now means nothing.</summary>
    public bool TakeAll(List<FlushWaiter> into)
    {
        bool wasRunning = Running != 0;
        Running = 0;
        into.AddRange(_covered);
        into.AddRange(_waiting);
        _covered.Clear();
        _waiting.Clear();
        return wasRunning;
    }
}
