using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Changes that nobody can carry out now and that are to wait until the peer that served is back (<c>on-no-data-accessible suspend-io</c>). They are then carried out anew, in
/// their order: whatever of them the peer had applied already ends the same.
/// </summary>
internal sealed class StrandedChanges(ResourceContext context)
{
    private readonly List<ChangeRequest> _requests = [];

    /// <summary>Changes that wait.</summary>
    public int Count => _requests.Count;

    /// <summary>Keeps the change if it may wait: a client asked for it, and a peer is known whose return would bring the data back.</summary>
    public bool TryHold(Volume volume, ChangeRequest request)
    {
        bool mayWait = context.Settings.OnNoDataAccessible == NoDataPolicy.SuspendIo && context.Role == Role.Primary
            && request.Cookie is not null && !volume.Remote.Generation.IsNone;
        if (!mayWait)
            return false;
        request.IsStranded = false;
        _requests.Add(request);
        return true;
    }

    /// <summary>Lets them go, first those that had a place in stream order.</summary>
    public void Release(Action<ChangeRequest> admit)
    {
        List<ChangeRequest> requests = [.. _requests.OrderBy(static request => request.Sequence.Value == 0 ? ulong.MaxValue : request.Sequence.Value)];
        _requests.Clear();
        foreach (ChangeRequest request in requests)
        {
            request.Sequence = default;
            request.Result = DiskResult.Ok;
            admit(request);
        }
    }
}
