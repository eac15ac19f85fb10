using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim;

/// <summary>
/// A disk under a page cache. The death of a process keeps the cache; a power cut keeps what was flushed and, of what was not, any
/// subset of the blocks' versions (G4). A flush covers what was written before it was asked for, and nothing newer.
/// </summary>
public sealed class SimulatedDisk(long sizeBytes)
{
    private readonly List<(long Block, byte[] Content)> _unflushed = [];
    private SparseImage _stable = new();
    private long _flushedEntries;

    /// <summary>Bytes of data.</summary>
    public long SizeBytes { get; set; } = sizeBytes;

    /// <summary>What a read returns.</summary>
    public SparseImage Cache { get; private set; } = new();

    /// <summary>What certainly survives a power cut.</summary>
    public SparseImage Stable => _stable;

    /// <summary>Versions of blocks that a power cut may lose.</summary>
    public int UnflushedCount => _unflushed.Count;

    /// <summary>Names the writes that a flush asked for now will cover.</summary>
    public long FlushMark => _flushedEntries + _unflushed.Count;

    /// <summary>Carries a change out, or the blocks of it that <paramref name="keep"/> lets through.</summary>
    public void Change(ChangeRequest request, Func<bool>? keep = null)
    {
        ByteRange range = request.Range;
        long offset = range.Offset;
        while (offset < range.End)
        {
            int at = (int)(offset & (Block.Size - 1));
            int part = (int)Math.Min(Block.Size - at, range.End - offset);
            bool isThinAlready = request.Kind != ChangeKind.Write && Cache.IsHole(offset >> Block.Shift);
            if (!isThinAlready && (keep is null || keep()))
            {
                ReadOnlySpan<byte> data = request.Kind == ChangeKind.Write
                    ? request.Data.Slice((int)(offset - range.Offset), part)
                    : new byte[part];
                Put(offset >> Block.Shift, Cache.Merge(offset >> Block.Shift, at, data), request.IsForceUnitAccess);
            }

            offset += part;
        }
    }

    /// <summary>Makes everything stable that was written before the mark was taken.</summary>
    public void Flush(long mark)
    {
        int count = (int)Math.Max(0, mark - _flushedEntries);
        for (int i = 0; i < count; i++)
            _stable[_unflushed[i].Block] = _unflushed[i].Content;
        _unflushed.RemoveRange(0, count);
        _flushedEntries += count;
    }

    /// <summary>
    /// A flush fails (hard part 12): of what it covered, some became stable and the rest never will, although reads still return it and a later flush succeeds.
    /// </summary>
    public void FailFlush(long mark, Func<bool> survives)
    {
        int count = (int)Math.Max(0, mark - _flushedEntries);
        for (int i = 0; i < count; i++)
        {
            if (survives())
                _stable[_unflushed[i].Block] = _unflushed[i].Content;
        }

        _unflushed.RemoveRange(0, count);
        _flushedEntries += count;
    }

    /// <summary>The host loses power: each unflushed version survives if <paramref name="survives"/> says so.</summary>
    public void PowerCut(Func<bool> survives)
    {
        foreach ((long block, byte[] content) in _unflushed)
        {
            if (survives())
                _stable[block] = content;
        }

        _flushedEntries += _unflushed.Count;
        _unflushed.Clear();
        Cache = _stable.Clone();
    }

    /// <summary>A copy that shares nothing that changes.</summary>
    public SimulatedDisk Clone()
    {
        var clone = new SimulatedDisk(SizeBytes) { _stable = _stable.Clone(), Cache = Cache.Clone(), _flushedEntries = _flushedEntries };
        clone._unflushed.AddRange(_unflushed);
        return clone;
    }

    /// <summary>A bit of a block flips, on the medium and in the cache, and nobody is told.</summary>
    public void Corrupt(long block)
    {
        byte[] content = Cache[block].ToArray();
        content[17] ^= 0x10;
        Cache[block] = content;
        _stable[block] = content;
        for (int i = 0; i < _unflushed.Count; i++)
        {
            if (_unflushed[i].Block == block)
                _unflushed[i] = (block, content);
        }
    }

    private void Put(long block, byte[] content, bool isStable)
    {
        Cache[block] = content;
        if (isStable)
        {
            // Older versions in the cache are gone: a flush or a power cut must not bring them back.
            for (int i = _unflushed.Count - 1; i >= 0; i--)
            {
                if (_unflushed[i].Block == block)
                    _unflushed[i] = (block, content);
            }

            _stable[block] = content;
            return;
        }

        _unflushed.Add((block, content));
    }
}
