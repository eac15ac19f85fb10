namespace BlockRepl.Format;

/// <summary>What is known about one peer's copy. Values are on disk and never change; unknown bits are refused (G15).</summary>
[Flags]
public enum PeerSlotFlags : uint
{
    /// <summary>The bitmap says what differs.</summary>
    None = 0,

    /// <summary>
    /// Every block may differ; the bitmap area is not read and may never have been written (DRBD: MDF_PEER_FULL_SYNC).
    /// Cleared only after the whole bitmap of the slot was written durably.
    /// </summary>
    FullSync = 1 << 0,

    /// <summary>This node knows that the peer's disk is outdated (DRBD: MDF_PEER_OUTDATED).</summary>
    PeerOutdated = 1 << 1,

    /// <summary>The peer was seen UpToDate and Connected when last heard of.</summary>
    WasConnected = 1 << 2,

    /// <summary>The peer is to be fenced before this node may go on (DRBD: MDF_PEER_FENCING).</summary>
    PeerFencing = 1 << 3,

    /// <summary>
    /// This node was Primary when it lost the peer, before the bitmap's generation began (DRBD: bit 0 of the bitmap UUID). Format version 2; version 1 has no room for it.
    /// </summary>
    PrimaryAtSplit = 1 << 4,
}
