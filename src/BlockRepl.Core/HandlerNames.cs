using System.Collections.Immutable;

namespace BlockRepl.Core;

/// <summary>The handlers' names in the configuration, the log and the status.</summary>
public static class HandlerNames
{
    /// <summary>Each handler by its <see cref="HandlerKind"/>.</summary>
    public static ImmutableArray<string> All { get; } =
    [
        "fence-peer", "unfence-peer", "initial-split-brain", "split-brain", "out-of-sync", "local-io-error", "pri-lost", "pri-lost-after-sb", "pri-on-incon-degr",
        "before-resync-target", "after-resync-target", "before-resync-source", "disconnected",
    ];

    /// <summary>A handler's name.</summary>
    public static string Of(HandlerKind kind) => All[(int)kind];
}
