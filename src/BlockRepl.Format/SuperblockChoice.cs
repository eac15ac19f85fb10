namespace BlockRepl.Format;

/// <summary>The verdict over both copies of a superblock.</summary>
/// <param name="Error">Why neither can be used, the more telling of the two reasons.</param>
/// <param name="Superblock">The newest intact copy's content.</param>
/// <param name="WriteSequence">Its write sequence.</param>
/// <param name="Copy">Which copy it is.</param>
/// <param name="Copy0">What copy 0 decoded to.</param>
/// <param name="Copy1">What copy 1 decoded to.</param>
public readonly record struct SuperblockChoice(
    SuperblockError Error,
    Superblock? Superblock,
    ulong WriteSequence,
    int Copy,
    SuperblockRead Copy0,
    SuperblockRead Copy1)
{
    /// <summary>The format version found, for <see cref="SuperblockError.UnknownVersion"/>.</summary>
    public uint UnknownVersion =>
        Copy0.Error == SuperblockError.UnknownVersion ? Copy0.Version : Copy1.Version;

    /// <summary>Copies that are not intact although the other one is.</summary>
    public int DamagedCopies =>
        Superblock is null ? 0 : (Copy0.Error != SuperblockError.None ? 1 : 0) + (Copy1.Error != SuperblockError.None ? 1 : 0);
}
