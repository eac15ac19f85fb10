namespace BlockRepl.Daemon.Metadata;

/// <summary>Whose metadata it is.</summary>
/// <param name="ResourceName">The resource.</param>
/// <param name="VolumeName">The volume within it.</param>
/// <param name="NodeName">The node that the disk belongs to.</param>
public sealed record VolumeIdentity(string ResourceName, string VolumeName, string NodeName)
{
    /// <inheritdoc/>
    public override string ToString() => $"{ResourceName}/{VolumeName} on {NodeName}";
}
