using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Wire;

/// <summary>
/// Room for the small pieces of what is sent (frame headers, message heads), cut one after the other from pooled buffers.
/// Every piece holds a reference on its buffer. Not thread-safe.
/// </summary>
internal sealed class SendArena(BlockBufferPool pool)
{
    private const int BlockBytes = 64 << 10;

    private BlockBuffer? _block;
    private int _used;

    /// <summary>Appends room for so many bytes to a queue and returns it.</summary>
    public Span<byte> Append(SegmentQueue queue, int length)
    {
        if (_block is null || _block.Length - _used < length)
        {
            _block?.Release();
            _block = pool.Rent(Math.Max(length, BlockBytes), BufferPurpose.PeerSend);
            _used = 0;
        }

        int at = _used;
        _used += length;
        queue.Add(_block.AddReference(), at, length);
        return _block.Span.Slice(at, length);
    }

    /// <summary>Starts over in the same buffer; only when no piece is in use.</summary>
    public void Rewind() => _used = 0;

    /// <summary>Gives the buffer back.</summary>
    public void Release()
    {
        _block?.Release();
        _block = null;
    }
}
