using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// A data disk under a page cache. What it may do to its user, and nothing else:
/// <list type="bullet">
/// <item>a power cut keeps what was flushed or written with FUA and, of each block's later versions, any one or none (reordering until flush, G4); a 4 KiB block is whole or absent, a write of several tears;</item>
/// <item>the death of the process keeps the cache; of a write that was under way any subset of its blocks is there;</item>
/// <item>a block may have become unreadable (latent error) until it is written again;</item>
/// <item>a write may fail with an error or for want of room, having done a part of it or nothing;</item>
/// <item>a failed flush loses what it should have made stable: the cache still shows it, a power cut takes it (as Linux does), and every later flush fails;</item>
/// <item>it may hang for a while; what hangs is carried out later, also on a disk that was given up meanwhile.</item>
/// </list>
/// What it never does, because nothing above it promises to find that out: change a block that nobody writes, write to the wrong place, or say that something is stable which is not.
/// </summary>
internal sealed class SimDisk(long sizeBytes)
{
    private static readonly byte[] Zero = new byte[Block.Size];
    private readonly Dictionary<long, Cell> _cells = [];
    private readonly List<long> _order = [];
    private readonly List<Cell> _dirty = [];
    private long _serial;

    private sealed class Cell
    {
        public byte[] Cache = Zero;
        public byte[] Stable = Zero;
        public readonly List<(long Serial, byte[] Content)> Versions = [];
        public bool IsUnreadable;

        // Versions that a failed flush has taken out of the cache's care.
        public bool IsDoomed;
    }

    /// <summary>Bytes that it has now.</summary>
    public long SizeBytes { get; set; } = sizeBytes;

    /// <summary>Names what a flush asked for now covers.</summary>
    public long FlushMark => _serial;

    /// <summary>A flush has failed: so does every later one, until the disk is replaced.</summary>
    public bool HasFlushFailed { get; private set; }

    /// <summary>Blocks that were ever written, in ascending order.</summary>
    public List<long> Blocks => _order;

    /// <summary>What a read of a block returns.</summary>
    public byte[] this[long block] => _cells.TryGetValue(block, out Cell? cell) ? cell.Cache : Zero;

    /// <summary>What certainly survives a power cut.</summary>
    public byte[] StableContent(long block) => _cells.TryGetValue(block, out Cell? cell) ? cell.Stable : Zero;

    /// <summary>A power cut may change the block.</summary>
    public bool IsUnstable(long block) => _cells.TryGetValue(block, out Cell? cell) && !ReferenceEquals(cell.Cache, cell.Stable) && !cell.Cache.AsSpan().SequenceEqual(cell.Stable);

    /// <summary>Whether a block was never written, or given back.</summary>
    public bool IsHole(long block) => !_cells.TryGetValue(block, out Cell? cell) || ReferenceEquals(cell.Cache, Zero);

    /// <summary>The first block from one on that is no hole; <paramref name="end"/> if there is none before it.</summary>
    public long FirstWritten(long block, long end)
    {
        int at = _order.BinarySearch(block);
        for (at = at < 0 ? ~at : at; at < _order.Count && _order[at] < end; at++)
        {
            if (!ReferenceEquals(_cells[_order[at]].Cache, Zero))
                return _order[at];
        }

        return end;
    }

    /// <summary>Carries a change out; with <paramref name="tear"/> any subset of its blocks.</summary>
    public void Change(bool isWrite, bool keepsAllocated, ByteRange range, ReadOnlySpan<byte> data, bool isStable, Prng? tear)
    {
        if (!isWrite)
        {
            ChangeHoles(range, keepsAllocated, isStable, tear);
            return;
        }

        for (long offset = range.Offset; offset < range.End;)
        {
            int at = (int)(offset & (Block.Size - 1));
            int part = (int)Math.Min(Block.Size - at, range.End - offset);
            if (tear is null || tear.OneIn(2))
            {
                Cell cell = Find(offset >> Block.Shift);
                byte[] content = GC.AllocateUninitializedArray<byte>(Block.Size);
                if (part < Block.Size)
                    cell.Cache.CopyTo(content, 0);
                data.Slice((int)(offset - range.Offset), part).CopyTo(content.AsSpan(at));
                Put(cell, content, isStable);
            }

            offset += part;
        }
    }

    /// <summary>Copies a range out; false if a block of it cannot be read.</summary>
    public bool Read(long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int at = (int)(offset & (Block.Size - 1));
            int part = Math.Min(Block.Size - at, destination.Length);
            if (_cells.TryGetValue(offset >> Block.Shift, out Cell? cell))
            {
                if (cell.IsUnreadable)
                    return false;
                cell.Cache.AsSpan(at, part).CopyTo(destination);
            }
            else
            {
                destination[..part].Clear();
            }

            destination = destination[part..];
            offset += part;
        }

        return true;
    }

    /// <summary>Makes everything stable that was written before the mark was taken.</summary>
    public void Flush(long mark)
    {
        int kept = 0;
        for (int i = 0; i < _dirty.Count; i++)
        {
            Cell cell = _dirty[i];
            int count = 0;
            while (count < cell.Versions.Count && cell.Versions[count].Serial <= mark)
                count++;
            if (count > 0)
            {
                cell.Stable = cell.Versions[count - 1].Content;
                cell.Versions.RemoveRange(0, count);
            }

            if (cell.Versions.Count > 0)
                _dirty[kept++] = cell;
        }

        _dirty.RemoveRange(kept, _dirty.Count - kept);
    }

    /// <summary>A flush fails: some of what it should have made stable never will be.</summary>
    public void FailFlush(Prng chance)
    {
        HasFlushFailed = true;
        foreach (Cell cell in _dirty)
            cell.IsDoomed |= chance.OneIn(2);
    }

    /// <summary>The host loses power.</summary>
    /// <param name="chance">Draws.</param>
    /// <param name="mode">0: everything that was not flushed is gone; 1: any version or none of each block; 2: all of it has reached the disk.</param>
    public void PowerCut(Prng chance, int mode)
    {
        foreach (Cell cell in _dirty)
        {
            int survivor = mode switch { 0 => 0, 1 => chance.Below(cell.Versions.Count + 1), _ => cell.Versions.Count };
            if (survivor > 0 && !cell.IsDoomed)
                cell.Stable = cell.Versions[survivor - 1].Content;
            cell.Versions.Clear();
            cell.Cache = cell.Stable;
            cell.IsDoomed = false;
        }

        _dirty.Clear();
    }

    /// <summary>The disk is replaced by a good one with what could be saved: what a failed flush has lost is not among it.</summary>
    public void Mend()
    {
        HasFlushFailed = false;
        foreach (Cell cell in _cells.Values)
        {
            cell.IsUnreadable = false;
            if (!cell.IsDoomed)
                continue;
            cell.IsDoomed = false;
            cell.Versions.Clear();
            cell.Cache = cell.Stable;
            _dirty.Remove(cell);
        }
    }

    /// <summary>A block that holds something cannot be read any more. False if there is none.</summary>
    public bool MakeUnreadable(Prng chance)
    {
        if (_order.Count == 0)
            return false;
        _cells[_order[chance.Below(_order.Count)]].IsUnreadable = true;
        return true;
    }

    private void ChangeHoles(ByteRange range, bool keepsAllocated, bool isStable, Prng? tear)
    {
        for (long block = FirstTouched(range); block <= range.End - 1 >> Block.Shift; block++)
        {
            long offset = Math.Max(range.Offset, block << Block.Shift);
            int at = (int)(offset & (Block.Size - 1));
            int part = (int)Math.Min(Block.Size - at, range.End - offset);
            if (!keepsAllocated && IsHole(block))
            {
                // A hole that is not stable yet is made so with the rest.
                if (isStable && _cells.TryGetValue(block, out Cell? hole) && hole.Versions.Count > 0)
                    Put(hole, hole.Cache, isStable);
                if (isStable)
                    continue;
                block = Math.Max(block, FirstWritten(block, (range.End - 1 >> Block.Shift) + 1) - 1);
                continue;
            }

            if (tear is not null && !tear.OneIn(2))
                continue;
            Cell cell = Find(block);
            byte[] content = Zero;
            if (part < Block.Size || keepsAllocated)
            {
                content = cell.Cache.AsSpan().ToArray();
                content.AsSpan(at, part).Clear();
            }

            Put(cell, content, isStable);
        }
    }

    private static long FirstTouched(ByteRange range) => range.Offset >> Block.Shift;

    private Cell Find(long block)
    {
        if (_cells.TryGetValue(block, out Cell? cell))
            return cell;
        cell = new Cell();
        _cells.Add(block, cell);
        _order.Insert(~_order.BinarySearch(block), block);
        return cell;
    }

    private void Put(Cell cell, byte[] content, bool isStable)
    {
        cell.Cache = content;
        cell.IsUnreadable = false;
        _serial++;
        if (isStable)
        {
            // The page goes out as it is: older versions of it cannot come back.
            cell.Stable = content;
            cell.IsDoomed = false;
            if (cell.Versions.Count > 0)
            {
                cell.Versions.Clear();
                _dirty.Remove(cell);
            }

            return;
        }

        if (cell.Versions.Count == 0)
            _dirty.Add(cell);
        cell.Versions.Add((_serial, content));
    }
}
