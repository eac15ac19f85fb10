namespace BlockRepl.Daemon.Control;

/// <summary>Work on one volume's metadata without a daemon. Opens disk and metadata exclusively (hard part 15).</summary>
public interface IVolumeMetadataTool
{
    /// <summary>
    /// Writes fresh metadata. Refused (11) over existing metadata, and over data where internal metadata would go, unless
    /// <paramref name="force"/>; refused (11) while another process has the disk, also with it.
    /// </summary>
    ControlResult Create(VolumePlace place, bool force);

    /// <summary>
    /// The disk has grown while no daemon had it: writes at its new end where the internal metadata stands, so that it can be attached again; <c>resize</c> then moves it. Refused
    /// (11) if there is no metadata of this volume where a disk of <paramref name="oldSizeBytes"/> has it.
    /// </summary>
    ControlResult HasGrown(VolumePlace place, long oldSizeBytes);

    /// <summary>
    /// Makes the metadata one of the newest format version; done (0) if it is that already. Refused (11) while another process has the disk, and over metadata that cannot be used.
    /// </summary>
    ControlResult Upgrade(VolumePlace place);

    /// <summary>
    /// Writes metadata as a text of <see cref="Dump"/> says. Refused (11) for a dump of another volume, node, kind or size, while another process has the disk, and over existing metadata or data in
    /// its place, unless <paramref name="force"/>. Cut at any point it leaves what was there, none, or fresh metadata.
    /// </summary>
    ControlResult Restore(VolumePlace place, string dump, bool force);

    /// <summary>Makes the metadata unrecognisable; the data stays. Refused (11) while another process has the disk.</summary>
    ControlResult Wipe(VolumePlace place);

    /// <summary>
    /// Says all that the metadata holds and what is wrong with each copy, as text or as one line of JSON. Only reads, also beside a daemon that has the disk; damage is
    /// part of the answer and no refusal. 11 if there never was metadata, 16 if there is no disk.
    /// </summary>
    ControlResult Dump(VolumePlace place, bool json);

    /// <summary>Checks every copy and checksum. 0 if nothing is lost (a bad spare copy is a warning), 1 with what and where if something is, 11 and 16 as <see cref="Dump"/>.</summary>
    ControlResult Verify(VolumePlace place);

    /// <summary>The generation ids as they stand on the disk: explained in words, or as a line for each peer that a program can read.</summary>
    ControlResult Generations(VolumePlace place, bool explain);
}
