using BlockRepl.Device;

namespace BlockRepl.Daemon.Replication;

/// <summary>The kinds of work that do not wait for each other on one disk.</summary>
internal enum DiskLaneKind
{
    /// <summary>Changes that nobody can carry out on a thread of his own, reads for the peer; with <c>disk-timeout</c> all changes and reads.</summary>
    Data,

    /// <summary>Flushes.</summary>
    Flush,

    /// <summary>Metadata, in its order.</summary>
    Metadata,

    /// <summary>Both halves of a resync.</summary>
    Resync,

    /// <summary>Comparisons.</summary>
    Verify,
}

/// <summary>
/// The threads that are inside the calls of one attached disk: a call that hangs holds up these alone, and they go with the disk. What is under way there and what waits behind it comes back
/// as a completion of its own when the call returns, however late.
/// </summary>
internal sealed class DiskThreads
{
    // Changes and reads at once: a disk gives its best with a few, and one that hangs inside does not hold up the next at once.
    private const int DataThreads = 4;

    // Past the page cache nobody reads ahead: so many reads of a resync or a comparison at once keep the disk busy.
    private const int DirectReaders = 4;

    private readonly DiskLane[] _lanes;

    /// <param name="name">The volume.</param>
    /// <param name="io">How the disk is read.</param>
    /// <param name="work">Carries a job out, on one of these threads.</param>
    public DiskThreads(string name, DeviceIo io, Action<DiskJob> work)
    {
        int readers = io == DeviceIo.Direct ? DirectReaders : 1;
        _lanes =
        [
            new DiskLane($"disk-{name}", DataThreads, work),
            new DiskLane($"flush-{name}", 1, work),
            new DiskLane($"meta-{name}", 1, work),
            new DiskLane($"resync-{name}", readers, work),
            new DiskLane($"verify-{name}", readers, work),
        ];
    }

    /// <summary>Clients' reads that these threads have been given.</summary>
    public DiskReads Reads { get; } = new();

    /// <summary>Hands a job over. False, having done nothing, after <see cref="End"/>.</summary>
    public bool Add(DiskLaneKind lane, in DiskJob job) => _lanes[(int)lane].Add(in job);

    /// <summary>No more jobs come; the threads end when those that are here are done. Does not wait.</summary>
    public void End()
    {
        foreach (DiskLane lane in _lanes)
            lane.End();
    }
}
