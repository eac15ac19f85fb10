namespace BlockRepl.Daemon.Control;

/// <summary>The extent of a split brain on one volume, as the handshake found it. Immutable.</summary>
public sealed record SplitBrainStatus
{
    /// <summary>Bytes that this node changed since the two were last in sync.</summary>
    public required long ChangedHereBytes { get; init; }

    /// <summary>When this node went on alone, by its own clock, as <c>2026-11-22T07:00:00Z</c>; null where its metadata does not know (format version 1).</summary>
    public string? SinceHere { get; init; }

    /// <summary>Bytes that the peer changed.</summary>
    public required long ChangedThereBytes { get; init; }

    /// <summary>When the peer went on alone, by its own clock; null if it did not say.</summary>
    public string? SinceThere { get; init; }
}
