namespace BlockRepl.Sim.Run;

/// <summary>Checks whole images, and what clients read, against what the history allows.</summary>
internal sealed class ImageCheck(WriteHistory history)
{
    /// <summary>
    /// Checks an image against what the node must hold. With <paramref name="isPrefix"/> it must also be that of one moment of the stream, across volumes (G4). Null, or what is wrong.
    /// </summary>
    public string? Check(int node, SimDisk[] disks, bool isPrefix)
    {
        (long At, WriteRecord? Write) newest = (long.MinValue, null);
        (long At, WriteRecord? Write) missing = (long.MaxValue, null);
        for (int volume = 0; volume < disks.Length; volume++)
        {
            foreach (long block in disks[volume].Blocks)
            {
                if (!history.BlocksOf(volume).TryGetValue(block, out List<HistoryEntry>[]? sectors))
                {
                    if (disks[volume][block].AsSpan().ContainsAnyExcept((byte)0))
                        return $"{Name(node)}: volume {volume}, block {block} holds data that nobody wrote there";
                    continue;
                }

                if (CheckBlock(node, volume, block, sectors, disks[volume][block], isPrefix, ref newest, ref missing) is { } wrong)
                    return wrong;
            }
        }

        return isPrefix && newest.At >= missing.At
            ? $"{Name(node)}: no moment of the stream: it holds {newest.Write}, but not {missing.Write}, which was acknowledged before that was asked for"
            : null;
    }


    /// <summary>A node, in words.</summary>
    public static string Name(int node) => node == 0 ? "alpha" : "beta";

    /// <summary>What a sector may hold, in words.</summary>
    public static string Describe(List<HistoryEntry> entries) => "writes: " + string.Join(", ", entries.Select(entry => entry.Id == entry.Write.Id ? entry.Write.ToString() : $"{entry.Id} of an image: {entry.Write}"));

    private static string? CheckBlock(
        int node, int volume, long block, List<HistoryEntry>[] sectors, byte[] content, bool isPrefix, ref (long At, WriteRecord? Write) newest, ref (long At, WriteRecord? Write) missing)
    {
        int bit = 1 << node;
        WriteRecord? newestWhole = null;
        Span<long> endOf = stackalloc long[Sectors.PerBlock];
        for (int s = 0; s < Sectors.PerBlock; s++)
        {
            long number = block * Sectors.PerBlock + s;
            if (!Sectors.TryIdentify(content.AsSpan(s * Sectors.Bytes, Sectors.Bytes), volume, number, out ulong id))
                return $"{Name(node)}: volume {volume}, sector {number} holds a mixture, or data of another place";
            WriteRecord? found = null;
            int candidates = 0;
            foreach (HistoryEntry entry in sectors[s])
            {
                if (entry.Id != id || IsReplaced(sectors[s], entry.Write, bit))
                    continue;
                candidates++;
                if (found is null || entry.Write.EndedAt > found.EndedAt)
                    found = entry.Write;
            }

            if (found is null)
                return $"{Name(node)}: volume {volume}, sector {number} holds #{id}; {Describe(sectors[s])}";
            endOf[s] = found.EndedAt;
            if (candidates > 1)
                continue;
            if (id != 0 && CoversBlock(found, block) && (newestWhole is null || found.IssuedAt > newestWhole.IssuedAt))
                newestWhole = found;
            if (!isPrefix)
                continue;
            if (found.IssuedAt > newest.At)
                newest = (found.IssuedAt, found);
            foreach (HistoryEntry entry in sectors[s])
            {
                if (entry.Write.IsAcknowledged && entry.Write.On != 0 && entry.Write.IssuedAt > found.EndedAt && entry.Write.EndedAt < missing.At)
                    missing = (entry.Write.EndedAt, entry.Write);
            }
        }

        if (newestWhole is null)
            return null;
        foreach (long end in endOf)
        {
            if (end < newestWhole.IssuedAt)
                return $"{Name(node)}: volume {volume}, block {block} is torn: a part of it holds {newestWhole}, another what is older";
        }

        return null;
    }

    private static bool CoversBlock(WriteRecord write, long block) =>
        write.Place.FirstSector <= block * Sectors.PerBlock && write.Place.FirstSector + write.Place.Count >= (block + 1) * Sectors.PerBlock;

    private static bool IsReplaced(List<HistoryEntry> entries, WriteRecord found, int bit)
    {
        foreach (HistoryEntry entry in entries)
        {
            if (entry.Write.IsAcknowledged && (entry.Write.On & bit) != 0 && entry.Write.IssuedAt > found.EndedAt)
                return true;
        }

        return false;
    }
}
