namespace BlockRepl.Primitives;

/// <summary>Number of a volume within its resource: its place in the configuration, the same on every node.</summary>
public readonly record struct VolumeNr(ushort Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
