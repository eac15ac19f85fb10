using BlockRepl.Core;

namespace BlockRepl.Daemon.Replication;

/// <summary>Tells a resource four times a second that time passes, and gives up disks that hang. Its thread touches no disk, so it comes whatever a disk does. Ends with <see cref="Dispose"/>.</summary>
internal sealed class ResourceTimer : IDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(250);

    private readonly ResourceRuntime _runtime;
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    private long _tickedMs;
    private long _judgedFromMs;

    public ResourceTimer(ResourceRuntime runtime)
    {
        _runtime = runtime;
        _thread = new Thread(Run) { Name = $"timer-{runtime.Settings.Name}", IsBackground = true };
        _thread.Start();
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
                _runtime.PostWithoutBlocking(new CoreEvent
                {
                    Kind = CoreEventKind.Tick,
                    NowMs = ResourceRuntime.NowMs,
                    WallMs = ResourceRuntime.WallMs,
                    Peer = peer,
                    Number = (ulong)_runtime.LastHeardMs(peer),
                });
            }
        }
    }

    // After a stop of this process (stopped, frozen, its host paused) the disks have their time once more: their threads stood still, too.
    private void JudgeDisks(long nowMs)
    {
        long timeoutMs = _runtime.DiskTimeoutMs;
        if (nowMs - _tickedMs > timeoutMs)
            _judgedFromMs = nowMs;
        _tickedMs = nowMs;
        if (timeoutMs == 0 || nowMs - _judgedFromMs <= timeoutMs)
            return;
        foreach (RuntimeVolume volume in _runtime.Volumes)
            volume.GiveUpIfHung(timeoutMs);
    }
}
