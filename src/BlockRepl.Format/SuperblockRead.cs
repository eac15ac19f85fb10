namespace BlockRepl.Format;

/// <summary>What one copy of a superblock decoded to.</summary>
/// <param name="Error">Why it cannot be used; the other fields mean nothing then, except the version of an unknown one.</param>
/// <param name="Superblock">The content, if intact.</param>
/// <param name="WriteSequence">Grows with each write; of two intact copies the greater is the newer.</param>
/// <param name="Version">The format version that the copy carries, if its checksum is good.</param>
public readonly record struct SuperblockRead(
    SuperblockError Error, Superblock? Superblock, ulong WriteSequence, uint Version);
