namespace BlockRepl.Core;

/// <summary>
/// Names one established connection to a peer. The edge draws a new one for each, so that nothing that belongs to an old
/// connection can take effect on a new one (hard part 11). Zero is never drawn.
/// </summary>
public readonly record struct LinkId(ulong Value)
{
    /// <summary>No connection.</summary>
    public static readonly LinkId None = new(0);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
