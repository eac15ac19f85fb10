namespace BlockRepl.Daemon.Control;

/// <summary>Where one volume's data and metadata lie on this node, for work on metadata without a daemon.</summary>
/// <param name="Resource">Name of the resource.</param>
/// <param name="Volume">Name of the volume.</param>
/// <param name="Disk">Absolute path of the disk, which exists.</param>
/// <param name="MetaDisk">Absolute path of external metadata, which may not exist yet; null is internal.</param>
/// <param name="Node">This node's name.</param>
/// <param name="Peers">The peers' names: one bitmap and one generation id each.</param>
/// <param name="ActivityLogExtents">Extents that the activity log holds.</param>
public sealed record VolumePlace(
    string Resource, string Volume, string Disk, string? MetaDisk, string Node, IReadOnlyList<string> Peers, int ActivityLogExtents)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Resource}/{Volume}";
}
