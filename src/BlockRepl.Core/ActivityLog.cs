using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// The hot extents of one volume on the Primary: after a crash just these can differ from the peer (hard part 2). An extent is
/// <em>active</em> once the transaction that names it is durable; only then may a change in it be started. It leaves only when nothing in
/// it is under way or unstable on either node, and its marks are durable. Pure bookkeeping; the volume writes the transactions.
/// </summary>
/// <remarks>DRBD: <c>al-extents</c>, 1237 extents of 4 MiB. Least recently used extents leave first.</remarks>
internal sealed class ActivityLog
{
    /// <summary>What an empty slot holds on disk.</summary>
    public const uint EmptySlot = 0xFFFFFFFF;

    /// <summary>log2 of an extent's bytes: 4 MiB.</summary>
    public const int ExtentShift = 22;

    // DRBD's least; one change touches sixteen at most (RuntimeVolume).
    private const int ExtentsMin = 67;

    private readonly Slot[] _slots;
    private readonly Dictionary<uint, int> _slotOf;
    private readonly List<uint> _wanted = [];
    private ulong _useClock;
    private int _emptyHint;

    public ActivityLog(int slots)
    {
        _slots = new Slot[slots];
        _slotOf = new Dictionary<uint, int>(slots);
        foreach (ref Slot slot in _slots.AsSpan())
            slot.Extent = EmptySlot;
    }

    private struct Slot
    {
        public uint Extent;
        public bool IsDurable;
        public int InFlight;
        public SequenceNumber LastChange;
        public ulong LastUse;
    }

    /// <summary>Extents that may be hot at a time; fewer than the log has places for if an operator wants it so.</summary>
    public int ExtentsMax { get; set; } = int.MaxValue;

    /// <summary>Number of the newest transaction handed out.</summary>
    public ulong Transaction { get; set; }

    /// <summary>Changes that entered and have not left: every one of a client that is admitted and not answered.</summary>
    public int ChangesInFlight { get; private set; }

    /// <summary>Extents in the log.</summary>
    public int Count => _slotOf.Count;

    /// <summary>Most extents that one change may touch, so that several changes always fit.</summary>
    public int ExtentsPerChangeMax => Math.Max(1, _slots.Length / 4);

    /// <summary>Whether extents were asked for that are not in the log yet.</summary>
    public bool HasWanted => _wanted.Count > 0;

    /// <summary>
    /// Takes the extents of a change into use if all are active; otherwise notes those that are missing for the next transaction and returns false.
    /// </summary>
    public bool TryEnter(ByteRange range)
    {
        uint first = (uint)(range.Offset >> ExtentShift);
        uint last = (uint)((range.End - 1) >> ExtentShift);
        bool all = true;
        for (uint extent = first; extent <= last; extent++)
        {
            if (_slotOf.TryGetValue(extent, out int index))
            {
                all &= _slots[index].IsDurable || Canary.ChangeBeforeLogDurable;
                _slots[index].LastUse = ++_useClock;
                continue;
            }

            all = false;
            if (!_wanted.Contains(extent))
                _wanted.Add(extent);
        }

        if (!all)
            return false;
        ChangesInFlight++;
        for (uint extent = first; extent <= last; extent++)
            _slots[_slotOf[extent]].InFlight++;
        return true;
    }

    /// <summary>The change has its place in stream order: its extents stay until that place is stable everywhere.</summary>
    public void NoteSequence(ByteRange range, SequenceNumber sequence)
    {
        for (uint extent = (uint)(range.Offset >> ExtentShift); extent <= (uint)((range.End - 1) >> ExtentShift); extent++)
        {
            ref Slot slot = ref _slots[_slotOf[extent]];
            if (slot.LastChange < sequence)
                slot.LastChange = sequence;
        }
    }

    /// <summary>The change is no longer under way on any node.</summary>
    public void Leave(ByteRange range)
    {
        ChangesInFlight--;
        for (uint extent = (uint)(range.Offset >> ExtentShift); extent <= (uint)((range.End - 1) >> ExtentShift); extent++)
        {
            ref Slot slot = ref _slots[_slotOf[extent]];
            slot.InFlight--;
            Check.That(slot.InFlight >= 0, "an extent was left more often than entered");
        }
    }

    /// <summary>
    /// Puts wanted extents into free or evictable slots. <paramref name="stable"/> is the place in stream order up to which the volume is stable on every
    /// node that counts. Evicted extents are reported, so that their marks become durable first. Returns how many were put in.
    /// </summary>
    public int PlaceWanted(SequenceNumber stable, List<uint> evicted)
    {
        int placed = 0;
        while (placed < _wanted.Count)
        {
            int index = FindSlot(stable);
            if (index < 0)
                break;
            ref Slot slot = ref _slots[index];
            Evict(ref slot, evicted);
            slot = new Slot { Extent = _wanted[placed], LastUse = ++_useClock };
            _slotOf.Add(slot.Extent, index);
            placed++;
        }

        _wanted.RemoveRange(0, placed);
        Shrink(stable, evicted);
        return placed;
    }

    // After the limit was lowered: what is cold goes with the transaction that is written anyway.
    private void Shrink(SequenceNumber stable, List<uint> evicted)
    {
        while (_slotOf.Count > Limit && FindCold(stable) is >= 0 and int index)
        {
            Evict(ref _slots[index], evicted);
            _slots[index] = new Slot { Extent = EmptySlot };
            _emptyHint = Math.Min(_emptyHint, index);
        }
    }

    private int Limit => Math.Clamp(ExtentsMax, Math.Min(ExtentsMin, _slots.Length), _slots.Length);

    private void Evict(ref Slot slot, List<uint> evicted)
    {
        if (slot.Extent == EmptySlot)
            return;
        evicted.Add(slot.Extent);
        _slotOf.Remove(slot.Extent);
    }

    /// <summary>Extents that may not leave: something in them is under way, or not stable up to the place in stream order given.</summary>
    public int CountBusy(SequenceNumber stable)
    {
        int busy = 0;
        foreach (ref Slot slot in _slots.AsSpan())
            busy += slot.Extent != EmptySlot && (slot.InFlight > 0 || slot.LastChange > stable) ? 1 : 0;
        return busy;
    }

    /// <summary>The transaction that was last taken with <see cref="Snapshot"/> is durable: its extents are active.</summary>
    public void MarkDurable(ReadOnlySpan<uint> snapshot)
    {
        for (int i = 0; i < snapshot.Length; i++)
        {
            if (snapshot[i] != EmptySlot && _slots[i].Extent == snapshot[i])
                _slots[i].IsDurable = true;
        }
    }

    /// <summary>The whole table as it goes to disk.</summary>
    public uint[] Snapshot()
    {
        var table = new uint[_slots.Length];
        for (int i = 0; i < table.Length; i++)
            table[i] = _slots[i].Extent;
        return table;
    }

    /// <summary>Empties the log: everything is stable and marked (an orderly demotion).</summary>
    public void Clear()
    {
        foreach (ref Slot slot in _slots.AsSpan())
        {
            Check.That(slot.InFlight == 0, "the activity log is cleared with changes under way");
            slot = new Slot { Extent = EmptySlot };
        }

        _slotOf.Clear();
        _wanted.Clear();
        _emptyHint = 0;
    }

    private int FindSlot(SequenceNumber stable)
    {
        while (_emptyHint < _slots.Length && _slots[_emptyHint].Extent != EmptySlot)
            _emptyHint++;
        return _emptyHint < _slots.Length && _slotOf.Count < Limit ? _emptyHint : FindCold(stable);
    }

    private int FindCold(SequenceNumber stable)
    {
        int best = -1;
        for (int i = 0; i < _slots.Length; i++)
        {
            ref Slot slot = ref _slots[i];
            if (slot.InFlight == 0 && slot.IsDurable && slot.LastChange <= stable && (best < 0 || slot.LastUse < _slots[best].LastUse))
                best = i;
        }

        return best;
    }
}
