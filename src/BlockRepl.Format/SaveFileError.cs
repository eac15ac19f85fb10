namespace BlockRepl.Format;

/// <summary>Why a save file cannot be used.</summary>
public enum SaveFileError : byte
{
    /// <summary>It can.</summary>
    None,

    /// <summary>Not a save file, or one that was never finished.</summary>
    BadMagic,

    /// <summary>Torn or rotten.</summary>
    BadChecksum,

    /// <summary>Intact, but of a format version that this program does not know (G15).</summary>
    UnknownVersion,

    /// <summary>A field holds what this version never writes.</summary>
    Malformed,
}
