namespace BlockRepl.Protocol;

/// <summary>What a frame is: the field number of its body in <c>replication.proto</c>, or why it is none of them.</summary>
public enum FrameKind : byte
{
    /// <summary>The bytes do not begin like a frame.</summary>
    Malformed = 0,

    /// <summary>First frame each way.</summary>
    Hello = 1,

    /// <summary>Changes in stream order (hot: <see cref="ChangesFrameReader"/>).</summary>
    Changes = 2,

    /// <summary>Progress of the receiver of changes (hot: <see cref="AckFrameReader"/>).</summary>
    Ack = 3,

    /// <summary>A range of a resync (hot: <see cref="ResyncDataFrameReader"/>).</summary>
    ResyncData = 4,

    /// <summary>The sender's process runs.</summary>
    Alive = 5,

    /// <summary>What the sender knows of the resource at the handshake.</summary>
    ResourceState = 6,

    /// <summary>What the sender concluded from both states.</summary>
    Verdict = 7,

    /// <summary>A part of a dirty bitmap.</summary>
    BitmapPart = 8,

    /// <summary>The source starts a resync.</summary>
    SyncBegin = 9,

    /// <summary>The target has recorded that it is a target.</summary>
    SyncBegun = 10,

    /// <summary>The source asks for what was sent to be made stable.</summary>
    SyncCheckpoint = 11,

    /// <summary>The target has made it stable.</summary>
    SyncCheckpointDone = 12,

    /// <summary>The source has cleared the marks.</summary>
    SyncCleared = 13,

    /// <summary>The source has nothing left to send.</summary>
    SyncEnd = 14,

    /// <summary>The target has recorded the end.</summary>
    SyncEnded = 15,

    /// <summary>Role and disk states changed.</summary>
    PeerStatus = 16,

    /// <summary>A node asks whether it may change its role.</summary>
    RoleRequest = 17,

    /// <summary>The answer.</summary>
    RoleReply = 18,

    /// <summary>A change could not be applied.</summary>
    WriteFailed = 19,

    /// <summary>Last frame of an orderly end.</summary>
    Goodbye = 20,

    /// <summary>A Primary without a disk of its own asks its peer for data, or asks it to serve.</summary>
    ReadRequest = 21,

    /// <summary>The answer to a read request (hot: <see cref="ReadReplyFrameReader"/>).</summary>
    ReadReply = 22,

    /// <summary>The target has written resync data (version 2).</summary>
    ResyncAck = 26,

    /// <summary>A node asks for a resync of a volume in sync (version 2).</summary>
    ResyncRequest = 27,

    /// <summary>The answer.</summary>
    ResyncReply = 28,

    /// <summary>Hashes of a range of a resync (version 2).</summary>
    ResyncHashes = 29,

    /// <summary>Which of its blocks differ (version 2).</summary>
    ResyncDiffers = 30,

    /// <summary>Begins, directs and ends the comparison of a volume (version 2).</summary>
    VerifyControl = 31,

    /// <summary>Digests of a range to compare (version 2).</summary>
    VerifyRange = 32,

    /// <summary>How a range compared (version 2).</summary>
    VerifyResult = 33,

    /// <summary>The Primary stops mirroring at this place of the stream (version 2).</summary>
    Behind = 34,

    /// <summary>The sender's configuration was changed.</summary>
    SettingsUpdate = 37,

    /// <summary>A node asks its peer to take up a new size.</summary>
    ResizeRequest = 39,

    /// <summary>The answer.</summary>
    ResizeReply = 40,

    /// <summary>A Secondary wants to detach a disk (version 2).</summary>
    DetachRequest = 41,

    /// <summary>The answer.</summary>
    DetachReply = 42,

    /// <summary>A later version's frame that may be dropped (body numbers 64 to 2046).</summary>
    Ignorable = 254,

    /// <summary>A frame that this version must understand and does not (the other body numbers up to 63).</summary>
    Unsupported = 255,
}
