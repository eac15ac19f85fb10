using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>One call of a handler: <see cref="Effect.Subject"/> of <see cref="EffectKind.RunHandler"/>, handed back in the <see cref="HandlerOutcome"/>.</summary>
/// <param name="Kind">Which handler.</param>
/// <param name="Id">Number of the call, unique in the life of the resource's Core. An answer counts only for the call that it belongs to (hard part 21).</param>
/// <param name="Peer">The peer that it is about; null if it is about none.</param>
/// <param name="Volumes">The volumes that it is about, in ascending order; never empty.</param>
public sealed record HandlerCall(HandlerKind Kind, ulong Id, PeerId? Peer, ImmutableArray<VolumeNr> Volumes)
{
    /// <summary>State of the connection to <see cref="Peer"/> when the call was made; what <c>disconnected</c> is told.</summary>
    public ConnectionState ConnectionState { get; init; } = ConnectionState.StandAlone;

    /// <summary>This node's data was UpToDate on every volume when the call was made.</summary>
    public bool IsUpToDateHere { get; init; }

    /// <summary>When the call was made, in monotonic milliseconds.</summary>
    public long CalledMs { get; init; }
}
