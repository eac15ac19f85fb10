using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Wire;

/// <summary>
/// Bytes in order, as references to the buffers that hold them. A ring that grows to the deepest queue seen and allocates nothing
/// after that. Not thread-safe.
/// </summary>
internal sealed class SegmentQueue
{
    private OutSegment[] _ring = new OutSegment[64];
    private int _head;

    /// <summary>Segments in the queue.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes in the queue.</summary>
    public long Bytes { get; private set; }

    /// <summary>A segment by its place, the oldest first.</summary>
    public ref readonly OutSegment this[int index] => ref _ring[(_head + index) & (_ring.Length - 1)];

    /// <summary>Appends bytes and takes over one reference on the buffer.</summary>
    public void Add(BlockBuffer buffer, int offset, int length)
    {
        if (Count == _ring.Length)
            Grow();
        _ring[(_head + Count) & (_ring.Length - 1)] = new OutSegment(buffer, offset, length);
        Count++;
        Bytes += length;
    }

    /// <summary>Drops bytes from the front and releases the buffers that are done.</summary>
    public void Consume(long bytes)
    {
        Check.That(bytes <= Bytes);
        while (bytes > 0)
        {
            OutSegment first = _ring[_head];
            if (bytes < first.Length)
            {
                _ring[_head] = first with { Offset = first.Offset + (int)bytes, Length = first.Length - (int)bytes };
                Bytes -= bytes;
                return;
            }

            RemoveFirst();
            first.Buffer.Release();
            bytes -= first.Length;
        }
    }

    /// <summary>Moves bytes from the front to the end of another queue.</summary>
    public void MoveTo(SegmentQueue target, long bytes)
    {
        Check.That(bytes <= Bytes);
        while (bytes > 0)
        {
            OutSegment first = _ring[_head];
            if (bytes < first.Length)
            {
                target.Add(first.Buffer.AddReference(), first.Offset, (int)bytes);
                Consume(bytes);
                return;
            }

            RemoveFirst();
            target.Add(first.Buffer, first.Offset, first.Length);
            bytes -= first.Length;
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear() => Consume(Bytes);

    private void RemoveFirst()
    {
        Bytes -= _ring[_head].Length;
        _ring[_head] = default;
        _head = (_head + 1) & (_ring.Length - 1);
        Count--;
    }

    private void Grow()
    {
        var ring = new OutSegment[_ring.Length * 2];
        for (int i = 0; i < Count; i++)
            ring[i] = this[i];
        _ring = ring;
        _head = 0;
    }
}
