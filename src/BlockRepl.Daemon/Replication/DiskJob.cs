using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>What <see cref="DiskJobs"/> knows to do with a disk.</summary>
internal enum DiskJobKind
{
    /// <summary>A <see cref="Core.ChangeRequest"/> of a client, of the peer or of a resync.</summary>
    Change,

    /// <summary>A flush, with its ticket.</summary>
    Flush,

    /// <summary>A <see cref="Core.ChangeRequest"/> that reads or compares for a resync.</summary>
    ResyncRead,

    /// <summary>A <see cref="Core.ChangeRequest"/> that reads for a comparison.</summary>
    VerifyRead,

    /// <summary>A <see cref="Core.ChangeRequest"/> that reads for a Primary without a disk.</summary>
    PeerRead,

    /// <summary>A <see cref="DiskRead"/> of a client.</summary>
    ClientRead,

    /// <summary>A <see cref="DiskQueue.QueuedRequest"/> that the queue could not finish.</summary>
    Finish,

    /// <summary>A <see cref="Core.MetadataWrite"/>.</summary>
    Metadata,

    /// <summary>A <see cref="Core.Effect"/> that takes up the disk's new size.</summary>
    Grow,

    /// <summary>An action after which nothing is reported.</summary>
    Note,
}

/// <summary>A piece of work for one volume's disk.</summary>
/// <param name="Kind">What.</param>
/// <param name="Volume">The volume.</param>
/// <param name="Subject">What <paramref name="Kind"/> says.</param>
/// <param name="Ticket">A flush's.</param>
internal readonly record struct DiskJob(DiskJobKind Kind, VolumeNr Volume, object? Subject, ulong Ticket = 0);
