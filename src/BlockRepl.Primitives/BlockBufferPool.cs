using System.Numerics;

namespace BlockRepl.Primitives;

/// <summary>
/// Levelled pool of <see cref="BlockBuffer"/>: powers of two from 4 KiB to 64 MiB. Thread-safe. Buffers beyond
/// <c>cachedBytesMax</c> are left to the garbage collector, so the pool's idle size is bounded; how much is rented at
/// once is bounded by those who rent (window sizes, connection limits).
/// </summary>
public sealed class BlockBufferPool
{
    private const int MinShift = 12;
    private const int MaxShift = 26;

    private readonly Stack<BlockBuffer>[] _levels;
    private readonly long _cachedBytesMax;
    private readonly int[] _rentedByPurpose = new int[Enum.GetValues<BufferPurpose>().Length];
    private long _cachedBytes;

    /// <param name="cachedBytesMax">Idle bytes kept for reuse, over all levels.</param>
    public BlockBufferPool(long cachedBytesMax = 96L << 20)
    {
        _cachedBytesMax = cachedBytesMax;
        _levels = new Stack<BlockBuffer>[MaxShift - MinShift + 1];
        for (int i = 0; i < _levels.Length; i++)
            _levels[i] = new Stack<BlockBuffer>();
    }

    /// <summary>The largest buffer that can be rented, in bytes.</summary>
    public const int LargestBytes = 1 << MaxShift;

    /// <summary>The process's shared pool.</summary>
    public static BlockBufferPool Shared { get; } = new();

    /// <summary>Buffers out at this moment.</summary>
    public int RentedCount
    {
        get
        {
            int sum = 0;
            foreach (int count in _rentedByPurpose)
                sum += count;
            return sum;
        }
    }

    /// <summary>Buffers out at this moment for one purpose.</summary>
    public int Rented(BufferPurpose purpose) => Volatile.Read(ref _rentedByPurpose[(int)purpose]);

    /// <summary>Rents a buffer of at least <paramref name="length"/> bytes, with one reference. Content is arbitrary.</summary>
    public BlockBuffer Rent(int length, BufferPurpose purpose)
    {
        Check.That(length is >= 0 and <= LargestBytes, "buffer size out of range");
        int level = LevelOf(length);
        BlockBuffer? buffer;
        Stack<BlockBuffer> stack = _levels[level];
        lock (stack)
            stack.TryPop(out buffer);
        if (buffer is null)
            buffer = new BlockBuffer(this, level, 1 << (level + MinShift));
        else
            Interlocked.Add(ref _cachedBytes, -buffer.Capacity);
        buffer.Rent(length, purpose);
        Interlocked.Increment(ref _rentedByPurpose[(int)purpose]);
        return buffer;
    }

    internal void Return(BlockBuffer buffer)
    {
        Interlocked.Decrement(ref _rentedByPurpose[(int)buffer.Purpose]);
        if (Interlocked.Add(ref _cachedBytes, buffer.Capacity) > _cachedBytesMax)
        {
            Interlocked.Add(ref _cachedBytes, -buffer.Capacity);
            return;
        }

        Stack<BlockBuffer> stack = _levels[buffer.Level];
        lock (stack)
            stack.Push(buffer);
    }

    private static int LevelOf(int length) =>
        Math.Max(0, 32 - BitOperations.LeadingZeroCount((uint)Math.Max(0, length - 1)) - MinShift);
}
