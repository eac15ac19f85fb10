namespace BlockRepl.Daemon.Replication;

/// <summary>
/// A queue of jobs for one disk, and the threads that are inside its calls for them. A thread is started when a job finds none that is free. A call that hangs holds up one of these threads and
/// nobody else. Thread-safe; allocates nothing once it is warm.
/// </summary>
internal sealed class DiskLane
{
    private readonly object _lock = new();
    private readonly Queue<DiskJob> _jobs = new(64);
    private readonly string _name;
    private readonly int _threadsMax;
    private readonly Action<DiskJob> _work;
    private int _threads;
    private int _idle;
    private bool _isEnding;

    /// <param name="name">Name of the threads.</param>
    /// <param name="threadsMax">How many jobs may be under way at once; with one they are done in their order.</param>
    /// <param name="work">Carries a job out.</param>
    public DiskLane(string name, int threadsMax, Action<DiskJob> work)
    {
        _name = name;
        _threadsMax = threadsMax;
        _work = work;
    }

    /// <summary>Hands a job over. False, having done nothing, after <see cref="End"/>.</summary>
    public bool Add(in DiskJob job)
    {
        lock (_lock)
        {
            if (_isEnding)
                return false;
            _jobs.Enqueue(job);
            if (_jobs.Count > _idle && _threads < _threadsMax)
            {
                _threads++;
                new Thread(Run, 256 << 10) { Name = _name, IsBackground = true }.Start();
            }
            else if (_idle > 0)
            {
                Monitor.Pulse(_lock);
            }

            return true;
        }
    }

    /// <summary>No more jobs come. The threads end when those that are here are done. Does not wait.</summary>
    public void End()
    {
        lock (_lock)
        {
            _isEnding = true;
            Monitor.PulseAll(_lock);
        }
    }

    private void Run()
    {
        while (true)
        {
            DiskJob job;
            lock (_lock)
            {
                while (!_jobs.TryDequeue(out job))
                {
                    if (_isEnding)
                        return;
                    _idle++;
                    Monitor.Wait(_lock);
                    _idle--;
                }
            }

            _work(job);
        }
    }
}
