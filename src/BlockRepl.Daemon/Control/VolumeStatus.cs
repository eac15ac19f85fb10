using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Control;

/// <summary>A volume on this node. Immutable.</summary>
public sealed record VolumeStatus
{
    /// <summary>Name within the resource.</summary>
    public required string Name { get; init; }

    /// <summary>State of the local disk.</summary>
    public required DiskState DiskState { get; init; }

    /// <summary>Bytes that the export offers; 0 while no disk has told.</summary>
    public long SizeBytes { get; init; }

    /// <summary>How the attached disk is read and written, in the configuration's words; null without one.</summary>
    public string? Io { get; init; }

    /// <summary>Bytes that clients have read since the daemon started.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Bytes that clients have written since the daemon started.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Where NBD clients find the volume; null when it is not exported.</summary>
    public string? NbdUri { get; init; }

    /// <summary>NBD connections that are open.</summary>
    public int Clients { get; init; }

    /// <summary>The peer that serves the volume because the local disk is gone or not current; null while the local disk does.</summary>
    public string? ServedBy { get; init; }

    /// <summary>On a Primary: why neither the local disk nor a peer can serve the volume; null while one does.</summary>
    public string? NoData { get; init; }

    /// <summary>Extents of 4 MiB that the activity log has now: a crash would mark them.</summary>
    public int AlActiveExtents { get; init; }

    /// <summary>Extents that the attachment found in the log of a daemon that had died; 0 after an orderly end.</summary>
    public int AlAppliedExtents { get; init; }

    /// <summary>Bytes that it marked out-of-sync for them.</summary>
    public long AlAppliedBytes { get; init; }

    /// <summary>What requests wait for and since when, in words (G12, hard part 28); empty when nothing waits.</summary>
    public IReadOnlyList<string> WaitingFor { get; init; } = [];

    /// <summary>Pieces of damaged metadata that attaches have found since the daemon started, and made good (G10).</summary>
    public long MetadataErrors { get; init; }

    /// <summary>The last of them, and when; null if there was none.</summary>
    public string? MetadataError { get; init; }
}
