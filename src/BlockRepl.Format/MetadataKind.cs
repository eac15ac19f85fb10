namespace BlockRepl.Format;

/// <summary>Where a volume's metadata lives. Values are on disk and never change.</summary>
public enum MetadataKind : byte
{
    /// <summary>At the end of the disk that holds the data (DRBD: internal).</summary>
    Internal = 1,

    /// <summary>In a file or device of its own, from offset 0 (DRBD: external).</summary>
    External = 2,
}
