using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Calls of handlers and their answers. A call never waits: its answer is an event like any other. Whoever needs the answer gives an action for it, and must itself
/// check whether what it asked about is still so.
/// </summary>
internal sealed class Handlers(ResourceContext context)
{
    private readonly List<(HandlerCall Call, Action<HandlerOutcome>? OnDone)> _running = [];

    /// <summary>Calls that have not been answered, oldest first.</summary>
    public IEnumerable<HandlerCall> Running => _running.Select(static entry => entry.Call);

    /// <summary>
    /// Calls a handler about a peer and some volumes (all of the resource if none is given). Without such a handler in the configuration <paramref name="onDone"/> is called at once, with
    /// <see cref="HandlerOutcome.Broken"/>. Returns the call, or null if there is no handler.
    /// </summary>
    public HandlerCall? Call(HandlerKind kind, Peer? peer = null, Volume? volume = null, Action<HandlerOutcome>? onDone = null)
    {
        var call = new HandlerCall(kind, context.NextTicket(), peer?.Id, volume is null ? AllVolumes() : [volume.Nr])
        {
            ConnectionState = peer?.State ?? ConnectionState.StandAlone,
            IsUpToDateHere = context.Volumes.TrueForAll(static each => each.Disk == DiskState.UpToDate),
            CalledMs = context.NowMs,
        };
        if (!context.Settings.Handlers.Contains(kind))
        {
            onDone?.Invoke(new HandlerOutcome(call, HandlerOutcome.Broken, "no such handler is configured"));
            return null;
        }

        _running.Add((call, onDone));
        context.Effects.Add(EffectKind.RunHandler).Subject = call;
        context.StateChanged = true;
        return call;
    }

    /// <summary>A handler has ended.</summary>
    public void Completed(HandlerOutcome outcome)
    {
        int index = _running.FindIndex(entry => entry.Call.Id == outcome.Call.Id);
        if (index < 0)
            return;
        Action<HandlerOutcome>? onDone = _running[index].OnDone;
        _running.RemoveAt(index);
        context.Log($"{context.Settings.Name}: handler {HandlerNames.Of(outcome.Call.Kind)} ended after {context.NowMs - outcome.Call.CalledMs} ms: {outcome.Text}");
        context.StateChanged = true;
        onDone?.Invoke(outcome);
    }

    private ImmutableArray<VolumeNr> AllVolumes() => [.. context.Volumes.Select(static volume => volume.Nr)];
}
