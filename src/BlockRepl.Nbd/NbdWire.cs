namespace BlockRepl.Nbd;

/// <summary>Magic numbers and fixed sizes of proto.md. All integers on the wire are big-endian.</summary>
public static class NbdWire
{
    /// <summary>"NBDMAGIC": the first eight bytes that a server sends.</summary>
    public const ulong Magic = 0x4e42444d41474943;

    /// <summary>"IHAVEOPT": second magic of a newstyle server, and the first of every option.</summary>
    public const ulong OptionMagic = 0x49484156454f5054;

    /// <summary>First bytes of every option reply.</summary>
    public const ulong OptionReplyMagic = 0x0003e889045565a9;

    /// <summary>First bytes of every request.</summary>
    public const uint RequestMagic = 0x25609513;

    /// <summary>First bytes of a simple reply.</summary>
    public const uint SimpleReplyMagic = 0x67446698;

    /// <summary>First bytes of a chunk of a structured reply.</summary>
    public const uint StructuredReplyMagic = 0x668e33ef;

    /// <summary>Handshake flag, both directions: fixed newstyle.</summary>
    public const ushort FlagFixedNewstyle = 1 << 0;

    /// <summary>Handshake flag, both directions: no 124 zero bytes after EXPORT_NAME.</summary>
    public const ushort FlagNoZeroes = 1 << 1;

    /// <summary>Magic, flags, type, cookie, offset, length.</summary>
    public const int RequestBytes = 4 + 2 + 2 + 8 + 8 + 4;

    /// <summary>Magic, error, cookie.</summary>
    public const int SimpleReplyBytes = 4 + 4 + 8;

    /// <summary>Magic, flags, type, cookie, length.</summary>
    public const int ChunkHeaderBytes = 4 + 2 + 2 + 8 + 4;

    /// <summary>The longest reply head: a chunk header and the offset of its data.</summary>
    public const int ReplyHeadBytesMax = ChunkHeaderBytes + 8;

    /// <summary>Magic, option, length.</summary>
    public const int OptionHeaderBytes = 8 + 4 + 4;

    /// <summary>Magic, option, reply type, length.</summary>
    public const int OptionReplyHeaderBytes = 8 + 4 + 4 + 4;

    /// <summary>Chunk flag: the last chunk of a reply.</summary>
    public const ushort ChunkFlagDone = 1 << 0;

    /// <summary>The one metadata context that BlockRepl knows.</summary>
    public const string BaseAllocation = "base:allocation";

    /// <summary>The number that stands for <see cref="BaseAllocation"/> in block status chunks.</summary>
    public const uint BaseAllocationId = 1;

    /// <summary><c>NBD_STATE_HOLE</c> of base:allocation.</summary>
    public const uint StateHole = 1 << 0;

    /// <summary><c>NBD_STATE_ZERO</c> of base:allocation.</summary>
    public const uint StateZero = 1 << 1;
}
