using System.Runtime.InteropServices;

namespace BlockRepl.Sim.Run;

/// <summary>One thing that a sector may hold, and by which write.</summary>
/// <param name="Write">The write.</param>
/// <param name="Id">What is then in the sector.</param>
/// <param name="Seen">Whether clients have read it in this block.</param>
internal readonly record struct HistoryEntry(WriteRecord Write, ulong Id, Sighting Seen);

/// <summary>Of each sector what it may hold on either node: the writes asked for, oldest first, without those that no node can hold any more.</summary>
internal sealed class WriteHistory(int volumes)
{
    private readonly Dictionary<long, List<HistoryEntry>[]>[] _blocks = [.. Enumerable.Range(0, volumes).Select(static _ => new Dictionary<long, List<HistoryEntry>[]>())];
    private readonly WriteRecord _initial = new() { IssuedAt = -1, EndedAt = 0, IsAcknowledged = true, On = 3, StableOn = 3, MaybeOn = 3 };

    /// <summary>The blocks of a volume that were ever written, with what each of their sectors may hold.</summary>
    public IReadOnlyDictionary<long, List<HistoryEntry>[]> BlocksOf(int volume) => _blocks[volume];

    /// <summary>What a sector may hold.</summary>
    public List<HistoryEntry> EntriesOf(int volume, long sector)
    {
        ref List<HistoryEntry>[]? sectors = ref CollectionsMarshal.GetValueRefOrAddDefault(_blocks[volume], sector / Sectors.PerBlock, out bool exists);
        if (!exists)
        {
            sectors = new List<HistoryEntry>[Sectors.PerBlock];
            for (int s = 0; s < Sectors.PerBlock; s++)
                sectors[s] = [new HistoryEntry(_initial, 0, new Sighting())];
        }

        return sectors![sector % Sectors.PerBlock];
    }

    /// <summary>A write was asked for.</summary>
    /// <param name="record">It.</param>
    /// <param name="oldestOpen">When the oldest request without an answer was asked for: a read may still return what was there then.</param>
    public void Add(WriteRecord record, long oldestOpen)
    {
        (int volume, long first, int count) = record.Place;
        var seen = new Sighting();
        for (long sector = first; sector < first + count; sector++)
        {
            List<HistoryEntry> entries = EntriesOf(volume, sector);
            if (entries.Count >= 12 && entries.Count % 4 == 0)
                Prune(entries, oldestOpen);
            if (sector % Sectors.PerBlock == 0)
                seen = new Sighting();
            entries.Add(new HistoryEntry(record, record.Id, seen));
        }
    }

    /// <summary>A write is on no node any more.</summary>
    public void Forget(WriteRecord write)
    {
        (int volume, long first, int count) = write.Place;
        for (long sector = first; sector < first + count; sector++)
            EntriesOf(volume, sector).RemoveAll(entry => ReferenceEquals(entry.Write, write));
        if (count > 0)
            return;
        foreach (List<HistoryEntry>[] sectors in _blocks[volume].Values)
        {
            foreach (List<HistoryEntry> entries in sectors)
                entries.RemoveAll(entry => ReferenceEquals(entry.Write, write));
        }
    }

    /// <summary>A resync has begun or ended: what its source may have, though it need not, the target may have from here on.</summary>
    public void NoteCopied(int volume, int source)
    {
        foreach (List<HistoryEntry>[] sectors in _blocks[volume].Values)
        {
            foreach (List<HistoryEntry> entries in sectors)
            {
                foreach (HistoryEntry entry in entries)
                {
                    if ((entry.Write.MaybeOn & 1 << source) != 0)
                        entry.Write.MaybeOn = 3;
                }
            }
        }
    }

    /// <summary>
    /// A node need not have kept a write (it lost power, or protocol A or B), and has: in each sector is the write, or what is not older. Looking at the disk tells what no promise does.
    /// </summary>
    /// <param name="disk">The node's disk.</param>
    /// <param name="bit">The node's.</param>
    /// <param name="write">The write.</param>
    /// <param name="isCertain">Only if it cannot be anything else: zeroes may be older ones.</param>
    public bool Holds(SimDisk disk, int bit, WriteRecord write, bool isCertain = false)
    {
        (int volume, long first, int count) = write.Place;
        if (count == 0 || (isCertain && write.Id == 0))
            return false;
        for (long sector = first; sector < first + count; sector++)
        {
            byte[] block = disk[sector / Sectors.PerBlock];
            Sectors.TryIdentify(block.AsSpan((int)(sector % Sectors.PerBlock) * Sectors.Bytes, Sectors.Bytes), volume, sector, out ulong id);

            // Zeroes are like any others: those of a write that this node was never sent are not meant.
            if (!EntriesOf(volume, sector).Exists(entry => entry.Id == id && (entry.Write.MaybeOn & bit) != 0 && entry.Write.EndedAt >= write.IssuedAt))
                return false;
        }

        return true;
    }

    // What no node can hold any more. In one pass: while a peer that may hold everything is not in sync, thousands are kept.
    private static void Prune(List<HistoryEntry> entries, long oldestOpen)
    {
        // By the nodes on which they are stable: the newest that replaces what is older there.
        Span<long> newest = stackalloc long[4];
        newest.Fill(long.MinValue);
        foreach (HistoryEntry entry in entries)
        {
            if (!entry.Write.IsAcknowledged || entry.Write.EndedAt >= oldestOpen)
                continue;
            for (int nodes = 0; nodes < newest.Length; nodes++)
            {
                if ((nodes & ~entry.Write.StableOn) == 0)
                    newest[nodes] = Math.Max(newest[nodes], entry.Write.IssuedAt);
            }
        }

        int kept = 0;
        for (int i = 0; i < entries.Count; i++)
        {
            if (newest[entries[i].Write.MaybeOn] <= entries[i].Write.EndedAt)
                entries[kept++] = entries[i];
        }

        entries.RemoveRange(kept, entries.Count - kept);
    }
}
