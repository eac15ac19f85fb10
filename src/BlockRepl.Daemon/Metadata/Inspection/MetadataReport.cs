using System.Text.Json.Serialization;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>
/// All that one volume's metadata says and what is wrong with it: the answer of <c>dump-md --json</c>, whose keys are these names in snake_case (docs/cli.md). Sections that cannot be
/// found because no superblock is intact are null.
/// </summary>
internal sealed record MetadataReport
{
    /// <summary><c>resource/volume</c> as the configuration has it.</summary>
    public required string Volume { get; init; }

    /// <summary>This node's name.</summary>
    public required string Node { get; init; }

    /// <summary>Path of the disk.</summary>
    public required string Disk { get; init; }

    /// <summary>Path of external metadata; null if it is internal.</summary>
    public string? MetaDisk { get; init; }

    /// <summary>Whether an attach would take it.</summary>
    public bool Usable => Superblock is not null && Problems.TrueForAll(problem => !problem.PreventsAttach);

    /// <summary>Whether nothing is lost: at most a spare copy is bad.</summary>
    public bool Intact => Problems.TrueForAll(problem => !problem.IsDamage);

    /// <summary>What is wrong, in the order in which it was found.</summary>
    public List<Problem> Problems { get; } = [];

    /// <summary>The two copies of the superblock.</summary>
    public List<SuperblockCopy> SuperblockCopies { get; } = [];

    /// <summary>The content of the copy that counts.</summary>
    public SuperblockContent? Superblock { get; set; }

    /// <summary>Where the sections stand, in bytes on the device that holds them.</summary>
    public Places? Layout { get; set; }

    /// <summary>The activity log.</summary>
    public Log? ActivityLog { get; set; }

    /// <summary>The peer slots that are taken.</summary>
    public List<Peer> Peers { get; } = [];

    /// <summary>Something that is not as it should be.</summary>
    /// <param name="IsDamage">True if something was lost by it; false for a bad spare copy, which the next write mends.</param>
    /// <param name="Where">The section, the copy and the place.</param>
    /// <param name="What">What is there instead, and what follows.</param>
    /// <param name="PreventsAttach">An attach refuses because of it.</param>
    internal sealed record Problem(bool IsDamage, string Where, string What, [property: JsonIgnore] bool PreventsAttach = false);

    /// <summary>One copy of the superblock.</summary>
    /// <param name="Offset">Its first byte.</param>
    /// <param name="State">"intact", or what is wrong with it.</param>
    /// <param name="WriteSequence">Grows with each write; 0 if it cannot be read.</param>
    /// <param name="Counts">Whether it is the one that is used.</param>
    internal sealed record SuperblockCopy(long Offset, string State, ulong WriteSequence, bool Counts);

    /// <summary>The superblock; generations as 16 hexadecimal digits.</summary>
    internal sealed record SuperblockContent(
        uint FormatVersion,
        ulong WriteSequence,
        string DeviceId,
        string Resource,
        string Volume,
        string Node,
        string Kind,
        long DataBytes,
        long AgreedBytes,
        int AlExtents,
        int AlExtentBytes,
        IReadOnlyList<string> Flags,
        string BootId,
        string Current,
        IReadOnlyList<string> History);

    /// <summary>Where the sections stand.</summary>
    internal sealed record Places(
        long MetadataOffset, long MetadataBytes, long ActivityLogOffset, long ActivityLogBytes, long BitmapsOffset, long BitmapBytesPerPeer);

    /// <summary>The activity log.</summary>
    /// <param name="Transaction">Number of the newest intact transaction; 0 if none is.</param>
    /// <param name="ActiveExtents">Extents that may have changes in flight: a crash marks them.</param>
    /// <param name="Copies">Every copy of every place.</param>
    internal sealed record Log(ulong Transaction, IReadOnlyList<uint> ActiveExtents, IReadOnlyList<LogCopy> Copies);

    /// <summary>One copy of a transaction.</summary>
    internal sealed record LogCopy(int Place, int Copy, long Offset, string State, ulong Transaction, bool Counts);

    /// <summary>A taken peer slot.</summary>
    /// <param name="Slot">Its number.</param>
    /// <param name="Name">The peer's node name.</param>
    /// <param name="BitmapGeneration">The generation since which the bitmap collects; zeroes for none.</param>
    /// <param name="BitmapSince">When that generation was set, by this node's clock, as ISO 8601 in UTC; null if it is not known.</param>
    /// <param name="Flags">What is known of the peer.</param>
    /// <param name="BitmapBlocks">4 KiB blocks of bitmap on disk.</param>
    /// <param name="DamagedBitmapBlocks">Those that are not intact: they read as all out-of-sync.</param>
    /// <param name="OutOfSyncBlocks">Marked blocks of data.</param>
    /// <param name="OutOfSyncBytes">The same in bytes.</param>
    /// <param name="Runs">The marked blocks as runs.</param>
    internal sealed record Peer(
        int Slot,
        string Name,
        string BitmapGeneration,
        string? BitmapSince,
        IReadOnlyList<string> Flags,
        long BitmapBlocks,
        IReadOnlyList<long> DamagedBitmapBlocks,
        long OutOfSyncBlocks,
        long OutOfSyncBytes,
        IReadOnlyList<Run> Runs);

    /// <summary>Marked blocks in a row.</summary>
    internal readonly record struct Run(long FirstBlock, long Blocks);
}
