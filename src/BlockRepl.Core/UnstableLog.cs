using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// The changes of one volume sent to one peer that the peer has not confirmed as stable yet, in stream order (hard part 1). When the
/// connection is lost they all become marks. Bounded by the Primary's own barriers.
/// </summary>
internal sealed class UnstableLog
{
    private Entry[] _ring = new Entry[1024];
    private int _head;
    private int _count;

    private readonly record struct Entry(SequenceNumber Sequence, ByteRange Range);

    /// <summary>Changes in the log.</summary>
    public int Count => _count;

    /// <summary>Stream position of the newest change; zero if the log is empty.</summary>
    public SequenceNumber Newest => _count == 0 ? default : _ring[(_head + _count - 1) & (_ring.Length - 1)].Sequence;

    /// <summary>Appends a change that was put into the peer's stream.</summary>
    public void Append(SequenceNumber sequence, ByteRange range)
    {
        Check.That(_count == 0 || Newest < sequence, "stream order");
        if (_count == _ring.Length)
            Grow();
        _ring[(_head + _count++) & (_ring.Length - 1)] = new Entry(sequence, range);
    }

    /// <summary>The peer confirmed everything up to <paramref name="sequence"/> as stable.</summary>
    public void ConfirmStable(SequenceNumber sequence)
    {
        while (_count > 0 && _ring[_head].Sequence <= sequence)
        {
            _head = (_head + 1) & (_ring.Length - 1);
            _count--;
        }
    }

    /// <summary>Marks all ranges in the bitmap and empties the log. Returns how many blocks were newly marked.</summary>
    public long MarkAllAndClear(PeerVolume peerVolume)
    {
        long marked = 0;
        for (; _count > 0; _count--)
        {
            marked += Canary.UnstableNotMarked ? 0 : peerVolume.Mark(_ring[_head].Range);
            _head = (_head + 1) & (_ring.Length - 1);
        }

        return marked;
    }

    /// <summary>Cuts out of the pieces, which do not overlap, what changes behind <paramref name="position"/> cover.</summary>
    public void CutNewer(SequenceNumber position, List<ByteRange> pieces)
    {
        for (int i = _count - 1; i >= 0 && pieces.Count > 0; i--)
        {
            ref Entry entry = ref _ring[(_head + i) & (_ring.Length - 1)];
            if (entry.Sequence <= position || Canary.OlderResyncDataWritten)
                return;
            Cut(entry.Range, pieces);
        }
    }

    /// <summary>Cuts a range out of the pieces, which do not overlap.</summary>
    public static void Cut(ByteRange newer, List<ByteRange> pieces)
    {
        for (int p = pieces.Count - 1; p >= 0; p--)
        {
            ByteRange piece = pieces[p];
            if (!piece.Overlaps(newer))
                continue;
            pieces.RemoveAt(p);
            if (piece.Offset < newer.Offset)
                pieces.Add(new ByteRange(piece.Offset, newer.Offset - piece.Offset));
            if (piece.End > newer.End)
                pieces.Add(new ByteRange(newer.End, piece.End - newer.End));
        }
    }

    private void Grow()
    {
        var bigger = new Entry[_ring.Length * 2];
        for (int i = 0; i < _count; i++)
            bigger[i] = _ring[(_head + i) & (_ring.Length - 1)];
        _ring = bigger;
        _head = 0;
    }
}
