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

    /// <summary>This node knows that the peer, which is not connected, cannot go on by itself: it was fenced, or said so (DRBD: MDF_PEER_OUTDATED).</summary>
    PeerOutdated = 1 << 1,

    /// <summary>The peer was seen UpToDate and Connected when last heard of.</summary>
    WasConnected = 1 << 2,

    /// <summary><c>fence-peer</c> was called for the peer, and <c>unfence-peer</c> has not succeeded since (DRBD: MDF_PEER_FENCING).</summary>
    PeerFencing = 1 << 3,

    /// <summary>
    /// This node was Primary when it lost the peer, before the bitmap's generation began (DRBD: bit 0 of the bitmap UUID). Format version 2; version 1 has no room for it.
    /// </summary>
    PrimaryAtSplit = 1 << 4,

    /// <summary>
    /// As Primary this node has answered changes that the peer may lack (protocols A and B), and the two have not been found equal since. Format version 2; version 1 has no room for it.
    /// </summary>
    AnsweredEarly = 1 << 5,

    /// <summary>An operator of this node has paused resyncs with the peer (DRBD forgets that at a restart). Format version 2; version 1 has no room for it.</summary>
    SyncPaused = 1 << 6,

    /// <summary>
    /// What this node has since the bitmap's generation began, and the peer lacks, belongs to the one history that the two had when they were last connected: it was written through whoever was Primary then, and this node
    /// has not been promoted without the peer's consent since. Format version 2; version 1 has no room for it.
    /// </summary>
    OneHistory = 1 << 7,

    /// <summary>
    /// This node was promoted while the peer was not connected, with everything that it had been sent before stable here, and the two have not been found or made equal since. Format version 2; version 1 has no room for it.
    /// </summary>
    TookOver = 1 << 8,
}
