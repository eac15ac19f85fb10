using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// A disk in memory, all zeroes at first; only what was written takes memory. Thread-safe as <see cref="IBlockDevice"/>
/// asks. Nothing is ever lost: what a power loss would take is <see cref="RecordingDevice"/>'s matter.
/// </summary>
public sealed class MemoryDevice : IBlockDevice
{
    private const int ChunkShift = 20;
    private const int ChunkBytes = 1 << ChunkShift;

    private byte[]?[] _chunks;
    private long _sizeBytes;

    /// <param name="sizeBytes">Size of the disk; any number of bytes.</param>
    public MemoryDevice(long sizeBytes)
    {
        Check.That(sizeBytes >= 0);
        _chunks = new byte[]?[ChunksFor(sizeBytes)];
        _sizeBytes = sizeBytes;
    }

    /// <inheritdoc/>
    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    /// <inheritdoc/>
    public DeviceCapabilities Capabilities { get; } = new(1, CanDiscard: true, CanZeroFast: true, IsRotational: false);

    /// <summary>Chunks that take up memory.</summary>
    public int AllocatedChunks => _chunks.Count(chunk => chunk is not null);

    /// <inheritdoc/>
    public long RefreshSize() => SizeBytes;

    /// <summary>Makes the disk larger or smaller, as an administrator would. No call may be running.</summary>
    public void Resize(long sizeBytes)
    {
        if (sizeBytes < SizeBytes)
            Clear(sizeBytes, SizeBytes - sizeBytes);
        Array.Resize(ref _chunks, ChunksFor(sizeBytes));
        Volatile.Write(ref _sizeBytes, sizeBytes);
    }

    /// <summary>A disk of its own with the same content.</summary>
    public MemoryDevice Copy()
    {
        var copy = new MemoryDevice(SizeBytes);
        for (int i = 0; i < _chunks.Length; i++)
            copy._chunks[i] = (byte[]?)_chunks[i]?.Clone();
        return copy;
    }

    /// <inheritdoc/>
    public DiskResult Read(long offset, Span<byte> destination)
    {
        DeviceRange.Check(this, offset, destination.Length);
        while (destination.Length > 0)
        {
            (int chunk, int at, int length) = Split(offset, destination.Length);
            if (Volatile.Read(ref _chunks[chunk]) is { } bytes)
                bytes.AsSpan(at, length).CopyTo(destination);
            else
                destination[..length].Clear();
            destination = destination[length..];
            offset += length;
        }

        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        DeviceRange.Check(this, offset, source.Length);
        while (source.Length > 0)
        {
            (int chunk, int at, int length) = Split(offset, source.Length);
            source[..length].CopyTo(ChunkFor(chunk).AsSpan(at));
            source = source[length..];
            offset += length;
        }

        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Flush() => DiskResult.Ok;

    /// <inheritdoc/>
    public DiskResult Discard(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        Clear(offset, length);
        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly) => Discard(offset, length);

    /// <inheritdoc/>
    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        DeviceRange.Check(this, offset, length);
        Check.That(length > 0, "an extent of nothing");
        (int chunk, int at, _) = Split(offset, length);
        bool isHole = _chunks[chunk] is null;
        long run = ChunkBytes - at;
        while (run < length && (_chunks[++chunk] is null) == isHole)
            run += ChunkBytes;
        extent = new DeviceExtent(Math.Min(run, length), isHole);
        return DiskResult.Ok;
    }

    /// <summary>Nothing to give back.</summary>
    public void Dispose()
    {
    }

    private void Clear(long offset, long length)
    {
        while (length > 0)
        {
            (int chunk, int at, int part) = Split(offset, length);
            if (part == ChunkBytes)
                Volatile.Write(ref _chunks[chunk], null);
            else
                Volatile.Read(ref _chunks[chunk])?.AsSpan(at, part).Clear();
            length -= part;
            offset += part;
        }
    }

    private byte[] ChunkFor(int chunk)
    {
        if (Volatile.Read(ref _chunks[chunk]) is { } bytes)
            return bytes;
        byte[] fresh = new byte[ChunkBytes];
        return Interlocked.CompareExchange(ref _chunks[chunk], fresh, null) ?? fresh;
    }

    private static int ChunksFor(long sizeBytes) => checked((int)((sizeBytes + ChunkBytes - 1) >> ChunkShift));

    private static (int Chunk, int At, int Length) Split(long offset, long length)
    {
        int at = (int)(offset & (ChunkBytes - 1));
        return ((int)(offset >> ChunkShift), at, (int)Math.Min(length, ChunkBytes - at));
    }
}
