namespace BlockRepl.Primitives;

/// <summary>The unit in which differences between nodes are tracked.</summary>
public static class Block
{
    /// <summary>log2 of <see cref="Size"/>.</summary>
    public const int Shift = 12;

    /// <summary>Bytes that one bit of a dirty bitmap stands for, and the size of an atomic write (G4).</summary>
    public const int Size = 1 << Shift;

    /// <summary>How many blocks hold <paramref name="bytes"/> bytes; the last one may be partial.</summary>
    public static long CountFor(long bytes) => (bytes >> Shift) + ((bytes & (Size - 1)) != 0 ? 1 : 0);
}
