namespace BlockRepl.Primitives;

/// <summary>
/// Place of a change in a resource's stream order: one total order over all volumes, given by the Primary.
/// 64 bits; never reused while a connection lives. Zero stands for "nothing yet".
/// </summary>
public readonly record struct SequenceNumber(ulong Value) : IComparable<SequenceNumber>
{
    /// <summary>The number after this one.</summary>
    public SequenceNumber Next => new(checked(Value + 1));

    /// <inheritdoc/>
    public int CompareTo(SequenceNumber other) => Value.CompareTo(other.Value);

    /// <summary>Stream order.</summary>
    public static bool operator <(SequenceNumber a, SequenceNumber b) => a.Value < b.Value;

    /// <summary>Stream order.</summary>
    public static bool operator >(SequenceNumber a, SequenceNumber b) => a.Value > b.Value;

    /// <summary>Stream order.</summary>
    public static bool operator <=(SequenceNumber a, SequenceNumber b) => a.Value <= b.Value;

    /// <summary>Stream order.</summary>
    public static bool operator >=(SequenceNumber a, SequenceNumber b) => a.Value >= b.Value;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
