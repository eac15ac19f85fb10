using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Recording;

/// <summary>
/// A disk in memory of which a copy costs little: only pages that were written exist, and a page is replaced, never changed, so that copies share them. Thread-safe. Outlives
/// being disposed of, as a disk outlives a daemon; grows as a regular file does.
/// </summary>
internal sealed class SparseDisk : IBlockDevice
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, byte[]> _pages;
    private long _sizeBytes;

    public SparseDisk(long sizeBytes)
        : this(sizeBytes, [])
    {
    }

    private SparseDisk(long sizeBytes, Dictionary<long, byte[]> pages)
    {
        _sizeBytes = sizeBytes;
        _pages = pages;
    }

    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    public DeviceCapabilities Capabilities { get; } = new(1, CanDiscard: true, CanZeroFast: true, IsRotational: false);

    public bool CanExtend => true;

    /// <summary>Pages of 4 KiB that hold something.</summary>
    public long[] Pages
    {
        get
        {
            lock (_gate)
                return [.. _pages.Keys.Order()];
        }
    }

    public long RefreshSize() => SizeBytes;

    public SparseDisk Copy()
    {
        lock (_gate)
            return new SparseDisk(_sizeBytes, new Dictionary<long, byte[]>(_pages));
    }

    /// <summary>A page's bytes, not to be changed; null for zeroes.</summary>
    public byte[]? PageAt(long page)
    {
        lock (_gate)
            return _pages.GetValueOrDefault(page);
    }

    public DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail)
    {
        lock (_gate)
        {
            Check.That(sizeBytes >= _sizeBytes, "a disk does not shrink");
            Volatile.Write(ref _sizeBytes, sizeBytes);
        }

        return Write(sizeBytes - tail.Length, tail, forceUnitAccess: true);
    }

    public DiskResult Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        lock (_gate)
        {
            while (destination.Length > 0)
            {
                int at = (int)(offset % Block.Size);
                int length = Math.Min(Block.Size - at, destination.Length);
                if (_pages.TryGetValue(offset / Block.Size, out byte[]? page))
                    page.AsSpan(at, length).CopyTo(destination);
                else
                    destination[..length].Clear();
                destination = destination[length..];
                offset += length;
            }
        }

        return DiskResult.Ok;
    }

    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        CheckRange(offset, source.Length);
        lock (_gate)
        {
            while (source.Length > 0)
            {
                int at = (int)(offset % Block.Size);
                int length = Math.Min(Block.Size - at, source.Length);
                byte[] page = new byte[Block.Size];
                if (length < Block.Size && _pages.TryGetValue(offset / Block.Size, out byte[]? before))
                    before.CopyTo(page, 0);
                source[..length].CopyTo(page.AsSpan(at));
                _pages[offset / Block.Size] = page;
                source = source[length..];
                offset += length;
            }
        }

        return DiskResult.Ok;
    }

    public DiskResult Flush() => DiskResult.Ok;

    public DiskResult Discard(long offset, long length) => WriteZeroes(offset, length, mayPunchHole: true, fastOnly: false);

    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        CheckRange(offset, length);
        long end = offset + length;
        long firstWhole = Block.CountFor(offset);
        long endWhole = Math.Max(firstWhole, end / Block.Size);
        if (firstWhole * Block.Size > end)
            return Write(offset, new byte[length], forceUnitAccess: false);
        Write(offset, new byte[firstWhole * Block.Size - offset], forceUnitAccess: false);
        Write(endWhole * Block.Size, new byte[end - endWhole * Block.Size], forceUnitAccess: false);
        lock (_gate)
        {
            if (endWhole - firstWhole > _pages.Count)
            {
                foreach (long page in _pages.Keys.Where(page => page >= firstWhole && page < endWhole).ToArray())
                    _pages.Remove(page);
            }
            else
            {
                for (long page = firstWhole; page < endWhole; page++)
                    _pages.Remove(page);
            }
        }

        return DiskResult.Ok;
    }

    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        CheckRange(offset, length);
        lock (_gate)
        {
            long page = offset / Block.Size;
            bool isHole = !_pages.ContainsKey(page);
            long end = (page + 1) * Block.Size;
            while (end < offset + length && !_pages.ContainsKey(++page) == isHole)
                end += Block.Size;
            extent = new DeviceExtent(Math.Min(length, end - offset), isHole);
        }

        return DiskResult.Ok;
    }

    public void Dispose()
    {
    }

    private void CheckRange(long offset, long length) =>
        Check.That(offset >= 0 && length >= 0 && offset <= SizeBytes && length <= SizeBytes - offset, "range beyond the device");
}
