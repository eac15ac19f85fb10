namespace BlockRepl.Core;

/// <summary>Which handlers are configured. A value; nothing is changed in place.</summary>
/// <param name="Bits">A bit for each <see cref="HandlerKind"/>.</param>
public readonly record struct HandlerSet(uint Bits)
{
    /// <summary>Every handler.</summary>
    public static HandlerSet All { get; } = new(uint.MaxValue);

    /// <summary>Whether a handler is configured.</summary>
    public bool Contains(HandlerKind kind) => (Bits & 1u << (int)kind) != 0;

    /// <summary>This set without one.</summary>
    public HandlerSet Without(HandlerKind kind) => new(Bits & ~(1u << (int)kind));

    /// <summary>This set and one more.</summary>
    public HandlerSet With(HandlerKind kind) => new(Bits | 1u << (int)kind);
}
