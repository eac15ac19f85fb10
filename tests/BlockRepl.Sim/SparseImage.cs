using BlockRepl.Primitives;

namespace BlockRepl.Sim;

/// <summary>Content of a volume: blocks that were never written read as zeroes and take no memory.</summary>
public sealed class SparseImage
{
    private static readonly byte[] ZeroBlock = new byte[Block.Size];
    private readonly Dictionary<long, byte[]> _blocks = [];

    /// <summary>The content of one block; must not be changed.</summary>
    public byte[] this[long block]
    {
        get => _blocks.GetValueOrDefault(block, ZeroBlock);
        set => _blocks[block] = value;
    }

    /// <summary>Blocks that hold something.</summary>
    public IEnumerable<long> Blocks => _blocks.Keys;

    /// <summary>Copies a range out.</summary>
    public void Read(long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int at = (int)(offset & (Block.Size - 1));
            int part = Math.Min(Block.Size - at, destination.Length);
            this[offset >> Block.Shift].AsSpan(at, part).CopyTo(destination);
            destination = destination[part..];
            offset += part;
        }
    }

    /// <summary>A copy of a range.</summary>
    public byte[] Read(ByteRange range)
    {
        var copy = new byte[range.Length];
        Read(range.Offset, copy);
        return copy;
    }

    /// <summary>A block as it would be after a part of it was replaced.</summary>
    public byte[] Merge(long block, int at, ReadOnlySpan<byte> part)
    {
        byte[] content = this[block].ToArray();
        part.CopyTo(content.AsSpan(at));
        return content;
    }

    /// <summary>Whether a range reads as zeroes.</summary>
    public bool IsZero(ByteRange range)
    {
        for (long block = range.FirstBlock; block < range.FirstBlock + range.BlockCount; block++)
        {
            if (_blocks.TryGetValue(block, out byte[]? content) && content.AsSpan().ContainsAnyExcept((byte)0))
                return false;
        }

        return true;
    }

    /// <summary>Whether a block was never written.</summary>
    public bool IsHole(long block) => !_blocks.ContainsKey(block);

    /// <summary>How many blocks from one on, up to an end, were never written.</summary>
    public long HoleFrom(long block, long end)
    {
        foreach (long written in _blocks.Keys)
        {
            if (written >= block)
                end = Math.Min(end, written);
        }

        return Math.Max(0, end - block);
    }

    /// <summary>Blocks in which two images differ.</summary>
    public List<long> Differences(SparseImage other)
    {
        List<long> differences = [];
        foreach (long block in _blocks.Keys.Union(other._blocks.Keys))
        {
            if (!this[block].AsSpan().SequenceEqual(other[block]))
                differences.Add(block);
        }

        return differences;
    }

    /// <summary>A copy that shares the immutable blocks.</summary>
    public SparseImage Clone()
    {
        var clone = new SparseImage();
        foreach ((long block, byte[] content) in _blocks)
            clone._blocks.Add(block, content);
        return clone;
    }
}
