namespace BlockRepl.Sim.Run;

/// <summary>
/// That a read returns nothing older than what was acknowledged before it was asked for, nor than what an earlier read returned in this life of the image.
/// </summary>
internal sealed class ReadCheck(WriteHistory history)
{
    private int _epoch;
    private long _epochBegan;

    /// <summary>What was read before says nothing of what is read from here on.</summary>
    public void BeginLife(long now)
    {
        _epoch++;
        _epochBegan = now;
    }

    /// <summary>Checks what a client read. Null, or what is wrong. Where each node has gone on by itself a reader sees what its own has.</summary>
    public string? Check(SimRequest read, ReadOnlySpan<byte> data, int node, long now, bool isForked)
    {
        long sector = read.Range.Offset / Sectors.Bytes;
        for (int at = 0; at < data.Length; at += Sectors.Bytes, sector++)
        {
            if (!Sectors.TryIdentify(data.Slice(at, Sectors.Bytes), read.Volume, sector, out ulong id))
                return $"{ImageCheck.Name(node)}: {read} returned a mixture, or data of another place, in sector {sector}";
            if (!history.BlocksOf(read.Volume).TryGetValue(sector / Sectors.PerBlock, out List<HistoryEntry>[]? sectors))
            {
                if (id != 0)
                    return $"{ImageCheck.Name(node)}: {read} returned #{id} where nobody wrote";
                continue;
            }

            List<HistoryEntry> entries = sectors[sector % Sectors.PerBlock];
            if (Find(entries, id, read, node, isForked) is not { } found)
            {
                WriteRecord? later = entries.FindLast(entry => entry.Id == id) is { Write: { } last } ? FindReplacing(entries, last, read, node, isForked) : null;
                return $"{ImageCheck.Name(node)}: {read}, asked for at {read.IssuedAt}, returned #{id} in sector {sector}{(later is null ? "" : $", which {later} had replaced, acknowledged or read before")}; {ImageCheck.Describe(entries)}";
            }

            // One that was under way when the life of the image ended may have been answered from the old.
            if (read.IssuedAt > _epochBegan)
                found.Note(_epoch, now);
        }

        return null;
    }

    private Sighting? Find(List<HistoryEntry> entries, ulong id, SimRequest read, int node, bool isForked)
    {
        Sighting? found = null;
        foreach (HistoryEntry entry in entries)
        {
            if (entry.Id != id || FindReplacing(entries, entry.Write, read, node, isForked) is not null)
                continue;

            // Zeroes are like any others, and some of them may be forgotten by now; a request that was sent again is like the first. Which was read nobody can tell, and so none was seen for certain.
            if (id == 0 || found is not null)
                return new Sighting();
            found = entry.Seen;
        }

        return found;
    }

    private WriteRecord? FindReplacing(List<HistoryEntry> entries, WriteRecord found, SimRequest read, int node, bool isForked)
    {
        foreach (HistoryEntry entry in entries)
        {
            WriteRecord later = entry.Write;
            if (later.IssuedAt <= found.EndedAt)
                continue;
            if (later.IsAcknowledged && later.EndedAt < read.IssuedAt && (isForked ? (later.On & 1 << node) != 0 : later.On != 0))
                return later;
            if (!isForked && entry.Seen.Epoch == _epoch && entry.Seen.At < read.IssuedAt)
                return later;
        }

        return null;
    }
}
