namespace BlockRepl.Daemon.Metadata;

/// <summary>Why metadata could not be created, opened or wiped.</summary>
public enum MetadataError : byte
{
    /// <summary>It worked.</summary>
    None,

    /// <summary>There is no metadata.</summary>
    NoMetadata,

    /// <summary>Both copies of the superblock are damaged (G10: nothing is guessed).</summary>
    Damaged,

    /// <summary>Written by a version of the program that this one does not know (G15).</summary>
    UnknownVersion,

    /// <summary>The metadata belongs to another resource, volume or node.</summary>
    OtherVolume,

    /// <summary>Internal metadata where external is expected, or the other way round.</summary>
    OtherKind,

    /// <summary>The disk is smaller than its metadata says (hard part 16).</summary>
    DiskTooSmall,

    /// <summary>The disk's size does not fit its internal metadata, and it is not merely smaller.</summary>
    SizeChanged,

    /// <summary>The disk, or the metadata's device, has no room for metadata.</summary>
    NoRoom,

    /// <summary>Metadata is there already.</summary>
    AlreadyExists,

    /// <summary>Data stands where the metadata would go.</summary>
    DataInTheWay,

    /// <summary>A read or write failed.</summary>
    DiskFailed,
}
