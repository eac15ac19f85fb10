using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// A client's READ or BLOCK_STATUS that a thread of the disk carries out. The call reads into a buffer that this object holds a reference on: when the disk is given up the request gets
/// another buffer and goes on without it, and what the call brings late falls into a buffer that nobody looks at (hard part 17). Owned by <see cref="DiskReads"/>, which pools it.
/// </summary>
internal sealed class DiskRead
{
    /// <summary>The request, while <see cref="IsTaken"/> is not set.</summary>
    public NbdRequest Request { get; set; } = null!;

    /// <summary>Where the call reads to; null for a BLOCK_STATUS.</summary>
    public BlockBuffer? Buffer { get; set; }

    /// <summary>First byte.</summary>
    public long Offset { get; set; }

    /// <summary>Bytes.</summary>
    public int Length { get; set; }

    /// <summary>The disk was given up: the request belongs to others now.</summary>
    public bool IsTaken { get; set; }
}
