namespace BlockRepl.Core;

/// <summary>Watches whether a Primary can still reach good data for each of its volumes, here or at a peer, and calls <c>pri-on-incon-degr</c> once when it cannot any more.</summary>
internal sealed class DataAccess(ResourceContext context, Handlers handlers)
{
    private bool _isLost;

    /// <summary>After every event in which something changed.</summary>
    public void Settle()
    {
        bool isLost = context.Role == Primitives.Role.Primary && context.Volumes.Exists(static volume => !volume.IsAccessible);
        if (isLost && !_isLost)
            handlers.Call(HandlerKind.PriOnInconDegr, volume: context.Volumes.Find(static volume => !volume.IsAccessible));
        _isLost = isLost;
    }
}
