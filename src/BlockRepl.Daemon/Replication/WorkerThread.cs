using System.Collections.Concurrent;

namespace BlockRepl.Daemon.Replication;

/// <summary>One thread that does one kind of blocking work, in the order in which it was given. Ends with <see cref="Dispose"/>, after what it was given.</summary>
internal sealed class WorkerThread<T> : IDisposable
{
    private readonly BlockingCollection<T> _queue = [];
    private readonly Thread _thread;

    public WorkerThread(string name, Action<T> work)
    {
        _thread = new Thread(() =>
        {
            foreach (T item in _queue.GetConsumingEnumerable())
                work(item);
        })
        {
            Name = name,
            IsBackground = true,
        };
        _thread.Start();
    }

    /// <summary>Hands over a piece of work. After <see cref="Dispose"/> it is refused with false.</summary>
    public bool Add(T item)
    {
        try
        {
            _queue.Add(item);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Lets the thread finish what it has, and ends it. Waits at most the time given: a disk may hang.</summary>
    public bool Stop(TimeSpan patience)
    {
        _queue.CompleteAdding();
        return _thread.Join(patience);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Stop(TimeSpan.FromSeconds(5)))
            _queue.Dispose();
    }
}
