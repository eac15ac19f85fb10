namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Disks of a volume that are not its disk any more, or not yet, and whose calls have not come back: each keeps its file open, and locked, until its last call returns (hard parts 15 and 17).
/// Thread-safe.
/// </summary>
internal sealed class LeavingDisks
{
    private readonly Lock _lock = new();
    private readonly List<VolumeDisk> _disks = [];
    private readonly List<DiskWatch> _openings = [];

    /// <summary>A disk was detached; it is forgotten when it is closed.</summary>
    public void Add(VolumeDisk disk)
    {
        lock (_lock)
            _disks.Add(disk);
        _ = disk.Closed.ContinueWith(_ => Remove(disk), TaskScheduler.Default);
    }

    /// <summary>A disk is being opened, and nobody waits for that any more; it is forgotten when <paramref name="over"/> completes.</summary>
    public void Add(DiskWatch opening, Task over)
    {
        lock (_lock)
            _openings.Add(opening);
        _ = over.ContinueWith(_ => Remove(opening), TaskScheduler.Default);
    }

    /// <summary>A call that has not come back, in words; null if there is none.</summary>
    public string? First() => Calls().FirstOrDefault();

    /// <summary>Calls that have not come back, one a disk, in words.</summary>
    public List<string> Calls()
    {
        List<string> calls = [];
        lock (_lock)
        {
            foreach (VolumeDisk disk in _disks)
            {
                if (disk.OldestCall(0) is { } call)
                    calls.Add(call);
            }

            foreach (DiskWatch opening in _openings)
            {
                if (opening.Oldest(0) is { } call)
                    calls.Add(call);
            }
        }

        return calls;
    }

    /// <summary>Lets those go who wait for a disk with a call that has been inside for longer than <paramref name="timeoutMs"/>.</summary>
    public void MarkHung(long timeoutMs)
    {
        lock (_lock)
        {
            foreach (VolumeDisk disk in _disks)
            {
                if (disk.OldestCall(timeoutMs) is not null)
                    disk.MarkHung();
            }
        }
    }

    private void Remove(VolumeDisk disk)
    {
        lock (_lock)
            _disks.Remove(disk);
    }

    private void Remove(DiskWatch opening)
    {
        lock (_lock)
            _openings.Remove(opening);
    }
}
