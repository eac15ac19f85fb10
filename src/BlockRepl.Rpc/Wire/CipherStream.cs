using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Wire;

/// <summary>
/// What lies under <see cref="System.Net.Security.SslStream"/>: reads block on the socket, writes go into a queue and from there
/// to the kernel without blocking, so that encrypting never blocks either. Writes happen under the channel's gate.
/// </summary>
internal sealed class CipherStream(PeerSocket socket, BlockBufferPool pool, object gate) : Stream
{
    private readonly SegmentQueue _queue = new();
    private readonly SendArena _arena = new(pool);
    private readonly ClearWire _clear = new(socket);

    /// <summary>While set, writes are only queued, so that many records leave in one call.</summary>
    public bool IsCorked { get; set; }

    /// <summary>Encrypted bytes that the kernel has not taken yet.</summary>
    public long HeldBytes => _queue.Bytes;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Sends what goes; whether that was everything.</summary>
    public bool TryFlush()
    {
        _clear.Flush(_queue);
        if (_queue.Count > 0)
            return false;
        _arena.Rewind();
        return true;
    }

    /// <summary>Gives buffers back.</summary>
    public void Release()
    {
        _queue.Clear();
        _arena.Release();
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => socket.Receive(buffer.AsSpan(offset, count), default);

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer) => socket.Receive(buffer, default);

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        lock (gate)
        {
            buffer.CopyTo(_arena.Append(_queue, buffer.Length));
            if (!IsCorked)
                TryFlush();
        }
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
}
