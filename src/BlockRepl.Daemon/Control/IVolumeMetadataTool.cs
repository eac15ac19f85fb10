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
    /// Makes the metadata one of the newest format version; done (0) if it is that already. Refused (11) while another process has the disk, and over metadata that cannot be used.
    /// </summary>
    ControlResult Upgrade(VolumePlace place);

    /// <summary>Makes the metadata unrecognisable; the data stays. Refused (11) while another process has the disk.</summary>
    ControlResult Wipe(VolumePlace place);
}
