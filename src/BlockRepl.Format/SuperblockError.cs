namespace BlockRepl.Format;

/// <summary>Why a superblock, or a pair of copies, cannot be used.</summary>
public enum SuperblockError : byte
{
    /// <summary>It is intact.</summary>
    None,

    /// <summary>All zeroes: no metadata was ever created there.</summary>
    Blank,

    /// <summary>Something else stands there.</summary>
    BadMagic,

    /// <summary>Torn or rotten.</summary>
    BadChecksum,

    /// <summary>Intact, but of a format version that this program does not know (G15).</summary>
    UnknownVersion,

    /// <summary>Its checksum and version are good, but a field holds what this version never writes.</summary>
    Malformed,

    /// <summary>Not 4096 bytes.</summary>
    WrongLength,
}
