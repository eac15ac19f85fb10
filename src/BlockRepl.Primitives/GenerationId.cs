using System.Globalization;

namespace BlockRepl.Primitives;

/// <summary>
/// A data generation (DRBD: UUID). Random, 64 bits; bit 0 is not part of the identity (DRBD keeps a role bit there) and
/// is always zero here.
/// </summary>
public readonly record struct GenerationId(ulong Value)
{
    /// <summary>No generation: an empty bitmap or history slot.</summary>
    public static readonly GenerationId None = new(0);

    /// <summary>Fresh metadata that has never held data (DRBD: UUID_JUST_CREATED).</summary>
    public static readonly GenerationId JustCreated = new(4);

    /// <summary>Whether this is no generation at all.</summary>
    public bool IsNone => Value == 0;

    /// <summary>Whether this names real data, not nothing and not fresh metadata.</summary>
    public bool IsReal => Value > 4;

    /// <summary>Makes a generation from 64 random bits, avoiding the reserved values.</summary>
    public static GenerationId FromRandom(ulong random)
    {
        ulong value = random & ~1UL;
        return new GenerationId(value > 4 ? value : value + 0x100);
    }

    /// <inheritdoc/>
    public override string ToString() => Value.ToString("X16", CultureInfo.InvariantCulture);
}
