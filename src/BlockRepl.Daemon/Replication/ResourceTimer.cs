namespace BlockRepl.Daemon.Replication;

/// <summary>
/// The thread that lets a resource's time pass, four times a second. It never touches a disk, so it is late only when something inside the daemon holds it, and that is what the service
/// manager's watchdog asks about. <see cref="Dispose"/> waits for the last tick to end.
/// </summary>
internal sealed class ResourceTimer : IDisposable
{
    // Forty ticks: no garbage collection and no busy machine holds a thread up for so long.
    private const long LateMs = 10_000;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly string _resource;
    private readonly Action _tick;
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _stop = new();
    private long _tickedMs = ResourceRuntime.NowMs;

    /// <param name="resource">Whose timer it is.</param>
    /// <param name="tick">Lets time pass; called on the timer's thread, for the first time after an interval.</param>
    public ResourceTimer(string resource, Action tick)
    {
        (_resource, _tick) = (resource, tick);
        _thread = new Thread(Run) { Name = $"timer-{resource}", IsBackground = true };
        _thread.Start();
    }

    /// <summary>That it is late, in words; null if it is not. Any thread.</summary>
    public string? Stuck()
    {
        long lateMs = ResourceRuntime.NowMs - Volatile.Read(ref _tickedMs);
        return lateMs < LateMs || _stop.IsSet ? null : $"the timer of {_resource} has not ticked for {lateMs} ms";
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        _stop.Dispose();
    }

    private void Run()
    {
        while (!_stop.Wait(Interval))
        {
            Volatile.Write(ref _tickedMs, ResourceRuntime.NowMs);
            _tick();
        }
    }
}
