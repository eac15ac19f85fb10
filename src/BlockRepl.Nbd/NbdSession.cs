namespace BlockRepl.Nbd;

/// <summary>What a finished negotiation agreed on. Immutable.</summary>
/// <param name="Export">The open export.</param>
/// <param name="Flags">The transmission flags that this client was told.</param>
/// <param name="StructuredReplies">Whether reads are answered in chunks.</param>
/// <param name="BaseAllocation">Whether base:allocation was selected for this export.</param>
public sealed record NbdSession(INbdExport Export, NbdTransmissionFlags Flags, bool StructuredReplies, bool BaseAllocation)
{
    /// <summary>The export's facts.</summary>
    public NbdExportInfo Info { get; } = Export.Info;
}
