namespace BlockRepl.Core;

/// <summary>Index of a peer node in <see cref="ResourceSettings.Peers"/>; the same for the life of a <see cref="ResourceCore"/>.</summary>
public readonly record struct PeerId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
