namespace BlockRepl.Daemon.Configuration;

/// <summary>Programs that a resource calls on an event; null where none is configured.</summary>
/// <param name="FencePeer">Outdates or shoots a lost peer.</param>
/// <param name="UnfencePeer">Takes a fence back.</param>
/// <param name="SplitBrain">Told of a split brain that needs a person.</param>
/// <param name="OutOfSync">Told of differences that a verify found.</param>
public sealed record HandlerConfiguration(string? FencePeer, string? UnfencePeer, string? SplitBrain, string? OutOfSync)
{
    /// <summary>No handler at all.</summary>
    public static HandlerConfiguration None { get; } = new(null, null, null, null);
}
