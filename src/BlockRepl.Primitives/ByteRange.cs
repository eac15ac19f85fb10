namespace BlockRepl.Primitives;

/// <summary>A range of bytes of a volume. Offsets stay below 2^63; an empty range touches nothing.</summary>
public readonly record struct ByteRange(long Offset, long Length)
{
    /// <summary>First byte after the range.</summary>
    public long End => Offset + Length;

    /// <summary>Whether the ranges share a byte.</summary>
    public bool Overlaps(ByteRange other) => Offset < other.End && other.Offset < End;

    /// <summary>The first block that the range touches.</summary>
    public long FirstBlock => Offset >> Block.Shift;

    /// <summary>How many blocks the range touches, partial ones included.</summary>
    public long BlockCount => Length == 0 ? 0 : ((End - 1) >> Block.Shift) - FirstBlock + 1;

    /// <inheritdoc/>
    public override string ToString() => $"{Offset}+{Length}";
}
