using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>What a save file says of itself (docs/save-file-format.md). Immutable; compared by content.</summary>
public sealed record SaveFileHeader
{
    /// <summary>The resource.</summary>
    public required string ResourceName { get; init; }

    /// <summary>The volume within it.</summary>
    public required string VolumeName { get; init; }

    /// <summary>The node whose changes these are.</summary>
    public required string NodeName { get; init; }

    /// <summary>The node whose data replaced them.</summary>
    public required string PeerName { get; init; }

    /// <summary>Size of the volume in bytes.</summary>
    public required long VolumeBytes { get; init; }

    /// <summary>What was saved.</summary>
    public required SaveFileScope Scope { get; init; }

    /// <summary>When it was saved, in milliseconds since 1970 (UTC) by the node's clock.</summary>
    public required long SavedMs { get; init; }

    /// <summary>When the node went on alone, likewise; 0 if not known.</summary>
    public long SinceMs { get; init; }

    /// <summary>Generation of the data.</summary>
    public required GenerationId Generation { get; init; }

    /// <summary>Generation that both nodes went on from; none if the marks had no base.</summary>
    public GenerationId BaseGeneration { get; init; }

    /// <summary>Offset of the index in the file.</summary>
    public long IndexOffset { get; init; }

    /// <summary>Runs in the index, 0 to <see cref="SaveFileCodec.RunsMax"/>.</summary>
    public long RunCount { get; init; }

    /// <summary>CRC-32C of the index.</summary>
    public uint IndexCrc { get; init; }
}
