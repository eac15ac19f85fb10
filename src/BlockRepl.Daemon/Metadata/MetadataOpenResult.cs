namespace BlockRepl.Daemon.Metadata;

/// <summary>What an attach found.</summary>
/// <param name="Result">Whether the metadata can be used, and if not, why.</param>
/// <param name="Store">Writes the metadata from here on; <c>null</c> on an error.</param>
/// <param name="Loaded">The content; <c>null</c> on an error.</param>
public sealed record MetadataOpenResult(MetadataResult Result, VolumeMetadataStore? Store, LoadedMetadata? Loaded);
