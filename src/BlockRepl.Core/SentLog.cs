using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Bytes sent to a peer and not yet applied there, by stream position. Allocates only to grow.</summary>
internal sealed class SentLog
{
    private (SequenceNumber Sequence, long Bytes)[] _ring = new (SequenceNumber, long)[256];
    private int _head;
    private int _count;

    /// <summary>Bytes of writes on the way.</summary>
    public long Bytes { get; private set; }

    /// <summary>Changes on the way.</summary>
    public int Count => _count;

    /// <summary>A change was put into the stream.</summary>
    public void Append(SequenceNumber sequence, long bytes)
    {
        if (_count == _ring.Length)
            Grow();
        _ring[(_head + _count++) & (_ring.Length - 1)] = (sequence, bytes);
        Bytes += bytes;
    }

    /// <summary>The peer has applied everything up to here.</summary>
    public void Confirm(SequenceNumber applied)
    {
        while (_count > 0 && _ring[_head].Sequence <= applied)
        {
            Bytes -= _ring[_head].Bytes;
            _head = (_head + 1) & (_ring.Length - 1);
            _count--;
        }
    }

    /// <summary>The connection is gone.</summary>
    public void Clear()
    {
        _head = _count = 0;
        Bytes = 0;
    }

    private void Grow()
    {
        var bigger = new (SequenceNumber, long)[_ring.Length * 2];
        for (int i = 0; i < _count; i++)
            bigger[i] = _ring[(_head + i) & (_ring.Length - 1)];
        _ring = bigger;
        _head = 0;
    }
}
