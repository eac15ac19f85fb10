using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// The changes of one volume that are under way on the local disk, and those held back because they overlap one of them (hard part 7):
/// overlapping changes never run at the same time, and start in the order in which they came. No locks: the caller holds the gate.
/// </summary>
/// <remarks>A compact array is scanned: at a few hundred entries that is cheaper than any tree, and it allocates nothing.</remarks>
internal sealed class ActiveChanges
{
    private ByteRange[] _ranges = new ByteRange[64];
    private ChangeRequest[] _requests = new ChangeRequest[64];
    private int _count;
    private readonly List<ChangeRequest> _held = [];

    /// <summary>Changes under way.</summary>
    public int Count => _count;

    /// <summary>What is under way, in no order; valid until the next change.</summary>
    public IEnumerable<ChangeRequest> UnderWay => _requests.Take(_count);

    /// <summary>What is held back, oldest first.</summary>
    public IEnumerable<ChangeRequest> Held => _held;

    /// <summary>Changes held back.</summary>
    public int HeldCount => _held.Count;

    /// <summary>Whether anything but a resync's or a comparison's read is under way or held back.</summary>
    public bool HasWrites
    {
        get
        {
            for (int i = 0; i < _count; i++)
            {
                if (IsWrite(_requests[i]))
                    return true;
            }

            return _held.Exists(IsWrite);
        }
    }

    /// <summary>Lets the change start, or holds it back and returns false; it then comes out of <see cref="TakeReleased"/>.</summary>
    public bool TryStart(ChangeRequest request)
    {
        bool isOrdered = !(Canary.OverlapsUnordered && IsWrite(request)) && !(Canary.ResyncReadUnordered && request.Origin == ChangeOrigin.ResyncRead);
        if (isOrdered && (OverlapsActive(request.Range) || OverlapsHeld(request.Range, _held.Count)))
        {
            _held.Add(request);
            return false;
        }

        Insert(request);
        return true;
    }

    /// <summary>The change is over.</summary>
    public void Remove(ChangeRequest request)
    {
        int index = request.ActiveIndex;
        Check.That(index >= 0 && _requests[index] == request, "the change is not active");
        request.ActiveIndex = ChangeRequest.NotActive;
        int last = --_count;
        if (index != last)
        {
            _ranges[index] = _ranges[last];
            _requests[index] = _requests[last];
            _requests[index].ActiveIndex = index;
        }

        _requests[last] = null!;
    }

    /// <summary>The next held change that may start now, already entered as active; null if there is none.</summary>
    public ChangeRequest? TakeReleased()
    {
        for (int i = 0; i < _held.Count; i++)
        {
            ChangeRequest request = _held[i];
            if (OverlapsActive(request.Range) || OverlapsHeld(request.Range, i))
                continue;
            _held.RemoveAt(i);
            Insert(request);
            return request;
        }

        return null;
    }

    /// <summary>Moves all that is under way and all that is held into the lists given: the disk is gone.</summary>
    public void TakeAll(List<ChangeRequest> active, List<ChangeRequest> held)
    {
        while (_count > 0)
        {
            ChangeRequest request = _requests[_count - 1];
            active.Add(request);
            Remove(request);
        }

        held.AddRange(_held);
        _held.Clear();
    }

    /// <summary>Lowest stream position among the active changes that have one, or the given value if there is none.</summary>
    public SequenceNumber LowestSequence(SequenceNumber otherwise)
    {
        SequenceNumber lowest = otherwise;
        for (int i = 0; i < _count; i++)
        {
            SequenceNumber sequence = _requests[i].Sequence;
            if (sequence.Value != 0 && sequence < lowest)
                lowest = sequence;
        }

        return lowest;
    }

    private static bool IsWrite(ChangeRequest request) => request.Origin is not (ChangeOrigin.ResyncRead or ChangeOrigin.PeerRead or ChangeOrigin.VerifyRead);

    private void Insert(ChangeRequest request)
    {
        if (_count == _requests.Length)
        {
            Array.Resize(ref _requests, _count * 2);
            Array.Resize(ref _ranges, _count * 2);
        }

        _ranges[_count] = request.Range;
        _requests[_count] = request;
        request.ActiveIndex = _count++;
    }

    private bool OverlapsActive(ByteRange range)
    {
        foreach (ref readonly ByteRange active in _ranges.AsSpan(0, _count))
        {
            if (active.Overlaps(range))
                return true;
        }

        return false;
    }

    private bool OverlapsHeld(ByteRange range, int before)
    {
        for (int i = 0; i < before; i++)
        {
            if (_held[i].Range.Overlaps(range))
                return true;
        }

        return false;
    }
}
