using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>A device that is only looked at.</summary>
/// <param name="SizeBytes">Its size.</param>
/// <param name="Read">Fills the span from an offset on.</param>
internal sealed record MetadataSource(long SizeBytes, MetadataSource.ReadAt Read)
{
    /// <summary>Reads at an offset.</summary>
    public delegate DiskResult ReadAt(long offset, Span<byte> destination);
}
