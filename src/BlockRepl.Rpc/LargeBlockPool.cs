using System.Buffers;
using System.Collections.Concurrent;

namespace BlockRepl.Rpc;

/// <summary>
/// Kestrel's memory: blocks of 128 KiB instead of 4 KiB, so that one receive call takes a large piece of a stream. Thread-safe.
/// </summary>
internal sealed class LargeBlockPool : MemoryPool<byte>
{
    private const int BlockBytes = 128 << 10;

    // Idle blocks beyond these are left to the garbage collector.
    private const int IdleMax = 128;

    private readonly ConcurrentQueue<byte[]> _idle = new();
    private int _idleCount;

    /// <inheritdoc/>
    public override int MaxBufferSize => BlockBytes;

    /// <inheritdoc/>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        if (_idle.TryDequeue(out byte[]? array))
            Interlocked.Decrement(ref _idleCount);
        else
            array = GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true);
        return new Block(this, array);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }

    private void Return(byte[] array)
    {
        if (Interlocked.Increment(ref _idleCount) <= IdleMax)
            _idle.Enqueue(array);
        else
            Interlocked.Decrement(ref _idleCount);
    }

    private sealed class Block(LargeBlockPool pool, byte[] array) : IMemoryOwner<byte>
    {
        private byte[]? _array = array;

        public Memory<byte> Memory => _array;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _array, null) is { } array)
                pool.Return(array);
        }
    }
}
