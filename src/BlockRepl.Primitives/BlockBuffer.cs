namespace BlockRepl.Primitives;

/// <summary>
/// A pinned buffer whose first byte is 4096-aligned, rented from a <see cref="BlockBufferPool"/> and counted by
/// references: one per outstanding effect. Whoever receives a reference releases it exactly once; passing it on passes
/// the reference. The content is not cleared between rents.
/// </summary>
/// <remarks>Reference counting is thread-safe; the bytes are the owner's to protect.</remarks>
public sealed unsafe class BlockBuffer
{
    private readonly byte[] _array;
    private readonly int _start;
    private int _references;

    internal BlockBuffer(BlockBufferPool pool, int level, int capacity)
    {
        Pool = pool;
        Level = level;
        Capacity = capacity;
        // The pinned object heap never moves the array, so the address below stays valid for the buffer's life.
        _array = GC.AllocateUninitializedArray<byte>(capacity + Alignment, pinned: true);
        nint address = (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _array[0]);
        _start = (int)((Alignment - (address & (Alignment - 1))) & (Alignment - 1));
        Pointer = (byte*)address + _start;
    }

    /// <summary>Alignment of the first byte: what O_DIRECT asks of the strictest disks.</summary>
    public const int Alignment = 4096;

    internal BlockBufferPool Pool { get; }

    internal int Level { get; }

    internal BufferPurpose Purpose { get; private set; }

    /// <summary>Usable bytes; at least what was asked for.</summary>
    public int Capacity { get; }

    /// <summary>The bytes asked for when it was rented.</summary>
    public int Length { get; private set; }

    /// <summary>Address of the first byte; valid while a reference is held.</summary>
    public byte* Pointer { get; }

    /// <summary>The first <see cref="Length"/> bytes.</summary>
    public Span<byte> Span => new(Pointer, Length);

    /// <summary>The first <see cref="Length"/> bytes, for calls that need memory.</summary>
    public Memory<byte> Memory => _array.AsMemory(_start, Length);

    internal void Rent(int length, BufferPurpose purpose)
    {
        Check.That(Interlocked.CompareExchange(ref _references, 1, 0) == 0, "a rented buffer was in the pool");
        Length = length;
        Purpose = purpose;
    }

    /// <summary>Makes <see cref="Length"/> smaller: fewer bytes were needed than rented. Only while one reference is held.</summary>
    public void Shorten(int length)
    {
        Check.That((uint)length <= (uint)Length, "a buffer is only made shorter");
        Length = length;
    }

    /// <summary>Takes one more reference.</summary>
    public BlockBuffer AddReference()
    {
        int now = Interlocked.Increment(ref _references);
        Check.That(now > 1, "a reference was added to a returned buffer");
        return this;
    }

    /// <summary>Gives one reference back; the last one returns the buffer to its pool.</summary>
    public void Release()
    {
        int now = Interlocked.Decrement(ref _references);
        Check.That(now >= 0, "a buffer was released twice");
        if (now == 0)
            Pool.Return(this);
    }
}
