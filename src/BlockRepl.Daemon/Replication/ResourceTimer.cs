using BlockRepl.Core;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// The thread that tells a resource four times a second that time passes, and gives up disks that hang. It never touches a disk, so it is late only when something inside the daemon holds it, and that is
/// what the service manager's watchdog asks about. <see cref="Dispose"/> waits for the last tick to end.
/// </summary>
internal sealed class ResourceTimer : IDisposable
{
    // Forty ticks: no garbage collection and no busy machine holds a thread up for so long.
    private const long LateMs = 10_000;

    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(250);

    private readonly ResourceRuntime _runtime;
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    private long _tickedMs = ResourceRuntime.NowMs;
    private long _judgedFromMs;

    public ResourceTimer(ResourceRuntime runtime)
    {
        _runtime = runtime;
        _thread = new Thread(Run) { Name = $"timer-{runtime.Settings.Name}", IsBackground = true };
        _thread.Start();
    }

    /// <summary>That it is late, in words; null if it is not. Any thread.</summary>
    public string? Stuck()
    {
        long lateMs = ResourceRuntime.NowMs - Volatile.Read(ref _tickedMs);
        return lateMs < LateMs || _stop.IsSet ? null : $"the timer of {_runtime.Settings.Name} has not ticked for {lateMs} ms";
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
        while (!_stop.Wait(TickInterval))
        {
            JudgeDisks(ResourceRuntime.NowMs);
            for (int i = 0; i < _runtime.Settings.Peers.Length; i++)
            {
                var peer = new PeerId(i);
                PeerLink? link = _runtime.Room.Of(peer);

                // Resync data that gave way to an application's goes after a while in any case.
                link?.Drain();
                _runtime.PostWithoutBlocking(new CoreEvent
                {
                    Kind = CoreEventKind.Tick,
                    NowMs = ResourceRuntime.NowMs,
                    WallMs = ResourceRuntime.WallMs,
                    Peer = peer,
                    Number = (ulong)(link?.Channel.LastReceivedMs ?? 0),
                });
            }
        }
    }

    // After a stop of this process (stopped, frozen, its host paused) the disks have their time once more: their threads stood still, too.
    private void JudgeDisks(long nowMs)
    {
        long timeoutMs = _runtime.DiskTimeoutMs;
        if (nowMs - Volatile.Read(ref _tickedMs) > timeoutMs)
            _judgedFromMs = nowMs;
        Volatile.Write(ref _tickedMs, nowMs);
        if (timeoutMs == 0 || nowMs - _judgedFromMs <= timeoutMs)
            return;
        foreach (RuntimeVolume volume in _runtime.Volumes)
            volume.GiveUpIfHung(timeoutMs);
    }
}
