namespace BlockRepl.Format;

/// <summary>Why a copy of an activity log transaction does not count.</summary>
public enum ActivityLogError : byte
{
    /// <summary>It is intact.</summary>
    None,

    /// <summary>All zeroes: never written.</summary>
    Blank,

    /// <summary>Something else stands there.</summary>
    BadMagic,

    /// <summary>Torn or rotten.</summary>
    BadChecksum,

    /// <summary>Intact, but of a format version that this program does not know.</summary>
    UnknownVersion,

    /// <summary>Intact, but left over from earlier metadata in the same place.</summary>
    OtherDevice,

    /// <summary>Its checksum is good but its fields contradict the metadata.</summary>
    Malformed,

    /// <summary>Fewer or more bytes than a transaction has.</summary>
    WrongLength,
}
