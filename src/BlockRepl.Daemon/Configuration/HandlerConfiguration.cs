using BlockRepl.Core;

namespace BlockRepl.Daemon.Configuration;

/// <summary>Programs that a resource calls on an event. Immutable; equal when every handler's command is.</summary>
/// <param name="commands">A shell command for each handler that has one.</param>
public sealed class HandlerConfiguration(IReadOnlyDictionary<HandlerKind, string> commands) : IEquatable<HandlerConfiguration>
{
    /// <summary>No handler at all.</summary>
    public static HandlerConfiguration None { get; } = new(new Dictionary<HandlerKind, string>());

    /// <summary>The command of a handler; null where none is configured.</summary>
    public string? this[HandlerKind kind] => commands.GetValueOrDefault(kind);

    /// <summary>The handlers that have a command.</summary>
    public HandlerSet Configured => commands.Keys.Aggregate(default(HandlerSet), static (set, kind) => set.With(kind));

    /// <inheritdoc/>
    public bool Equals(HandlerConfiguration? other) =>
        other is not null && Array.TrueForAll(Enum.GetValues<HandlerKind>(), kind => this[kind] == other[kind]);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as HandlerConfiguration);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)Configured.Bits;
}
