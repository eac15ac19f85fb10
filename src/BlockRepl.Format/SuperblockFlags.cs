namespace BlockRepl.Format;

/// <summary>
/// What a node knew about its own data when it last wrote its superblock (DRBD: MDF flags). Values are on disk and never
/// change; an unknown bit is refused, because ignoring it could promote stale data (G6, G15).
/// </summary>
[Flags]
public enum SuperblockFlags : uint
{
    /// <summary>Nothing is known: fresh metadata.</summary>
    None = 0,

    /// <summary>The data is consistent; without this flag the disk state is Inconsistent (DRBD: MDF_CONSISTENT).</summary>
    Consistent = 1 << 0,

    /// <summary>The data was UpToDate when last heard of (DRBD: MDF_WAS_UP_TO_DATE).</summary>
    WasUpToDate = 1 << 1,

    /// <summary>A newer generation exists on a peer (DRBD: the absence of MDF_PEER_OUT_DATED's counterpart).</summary>
    Outdated = 1 << 2,

    /// <summary>
    /// This node was Primary when the superblock was written (DRBD: MDF_PRIMARY_IND). Found set at attach, it means
    /// that a Primary crashed: the activity log counts.
    /// </summary>
    PrimaryIndicator = 1 << 3,

    /// <summary>A crashed Primary was found at an attach and its extents have not been resynced yet (DRBD: MDF_CRASHED_PRIMARY).</summary>
    CrashedPrimary = 1 << 4,

    /// <summary>
    /// Written as the last act of an orderly detach: everything was flushed and the activity log is empty
    /// (hard part 6). Must be removed, durably, before the first write after an attach.
    /// </summary>
    CleanShutdown = 1 << 5,

    /// <summary>
    /// The host lost its page cache (another boot id) without an orderly detach, and no resync has happened since: writes that were not flushed may be missing.
    /// </summary>
    LostPower = 1 << 6,
}
