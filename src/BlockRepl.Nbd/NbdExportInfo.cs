namespace BlockRepl.Nbd;

/// <summary>What a client is told about an export. Immutable.</summary>
public sealed record NbdExportInfo
{
    /// <summary>Canonical name, <c>resource/volume</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Size in bytes.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>
    /// What the export can do. <see cref="NbdTransmissionFlags.SendDontFragment"/> is withheld from clients without
    /// structured replies by the negotiation.
    /// </summary>
    public NbdTransmissionFlags Flags { get; init; } = NbdTransmissionFlags.Volume;

    /// <summary>Unit of offsets and lengths: 1 for buffered disks, else the sector size. A power of two.</summary>
    public uint MinimumBlockBytes { get; init; } = 1;

    /// <summary>The size that costs no read before a write.</summary>
    public uint PreferredBlockBytes { get; init; } = 4096;

    /// <summary>Largest payload of a read or write.</summary>
    public uint MaximumPayloadBytes { get; init; } = NbdLimits.PayloadBytesMax;

    /// <summary>A line for people, shown by <c>nbdinfo</c>; empty for none.</summary>
    public string Description { get; init; } = "";
}
