using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>
/// Every bound on what a peer may send. A length or a count from the wire is compared with one of these before it is
/// used (G14).
/// </summary>
public static class ProtocolLimits
{
    /// <summary>Bytes of one gRPC message: the data below and room for the head.</summary>
    public const int MessageBytesMax = 34 << 20;

    /// <summary>Data bytes of one Changes or ResyncData frame before compression: one largest write and small company.</summary>
    public const int RawBytesMax = 33 << 20;

    /// <summary>Bytes of one WRITE change: the NBD server's largest payload.</summary>
    public const int WriteBytesMax = 32 << 20;

    /// <summary>Bytes of one TRIM or ZEROES change, or of a zero range in a resync: any 32-bit NBD length.</summary>
    public const long RangeBytesMax = 1L << 32;

    /// <summary>Changes of one frame.</summary>
    public const int ChangesMax = 1024;

    /// <summary>Bytes of one read served by the peer: the NBD server's largest.</summary>
    public const int ReadBytesMax = 32 << 20;

    /// <summary>Reads that a node may have asked its peer for and not got.</summary>
    public const int ReadsMax = 128;

    /// <summary>Bytes that a node may have asked its peer for and not got, unless a single read is larger.</summary>
    public const long ReadWindowBytesMax = 16L << 20;

    /// <summary>Volumes of one resource.</summary>
    public const int VolumesMax = 256;

    /// <summary>UTF-8 bytes of a node's, a resource's or a volume's name; at least one.</summary>
    public const int NameBytesMax = 128;

    /// <summary>UTF-8 bytes of a sentence for people; longer ones are cut by the sender.</summary>
    public const int TextBytesMax = 1024;

    /// <summary>Generations in a history.</summary>
    public const int HistoryMax = 32;

    /// <summary>Runs of one bitmap part.</summary>
    public const int RunsMax = 16384;

    /// <summary>Ranges found different that a comparison's end names; there may have been more.</summary>
    public const int VerifyRangesMax = 64;

    /// <summary>Blocks of a volume: 2^63 bytes.</summary>
    public const ulong BlocksMax = 1UL << (63 - Block.Shift);

    /// <summary>Bytes of the reserved crash_boot_id.</summary>
    public const int BootIdBytesMax = 64;

    /// <summary>Fields of one message that the receiver does not know and skips.</summary>
    public const int UnknownFieldsMax = 64;

    /// <summary>Body numbers from here on may be dropped by who does not know them.</summary>
    public const int FirstIgnorableKind = 64;

    /// <summary>Number of the frame's checksum field; the last number with a two-byte tag.</summary>
    public const int FrameCrcField = 2047;

    /// <summary>Bytes of the checksum field: tag and value.</summary>
    public const int FrameCrcBytes = 2 + sizeof(uint);
}
