namespace BlockRepl.Sim;

/// <summary>
/// Knows what each block may hold: of the writes issued so far, those that no later acknowledged write replaces. Also knows which nodes hold each
/// acknowledged write, so that it can tell a write that may be lost (its only copies lost power unflushed) from one that must not be (G1 to G3).
/// </summary>
public sealed class BlockOracle
{
    private readonly List<Entry> _entries = [];

    private sealed class Entry(ClientRequest request)
    {
        public ClientRequest Request { get; } = request;

        public bool[] IsOn { get; } = new bool[2];

        public bool[] IsStableOn { get; } = new bool[2];

        public bool IsCounted { get; set; }

        public bool MayBeLost { get; set; }
    }

    /// <summary>A write was issued.</summary>
    public void Issued(ClientRequest request) => _entries.Add(new Entry(request));

    /// <summary>Takes notice of new acknowledgements: the node that gave them has the data, and its peer if they are in sync.</summary>
    public void NoteAcknowledged(SimulatedNode primary, bool isPeerInSync)
    {
        foreach (Entry entry in _entries)
        {
            if (entry.IsCounted || !entry.Request.IsAcknowledged || entry.Request.Node != primary.Name)
                continue;
            entry.IsCounted = true;
            entry.IsOn[primary.Index] = true;
            entry.IsOn[1 - primary.Index] = isPeerInSync;
        }
    }

    /// <summary>The nodes are in sync: each has everything.</summary>
    public void NoteInSync()
    {
        foreach (Entry entry in _entries)
        {
            if (entry.IsCounted && !entry.MayBeLost)
                entry.IsOn[0] = entry.IsOn[1] = true;
        }
    }

    /// <summary>A flush was acknowledged: what was acknowledged before it was issued is stable.</summary>
    public void NoteFlushed(ClientRequest flush, int primary, bool isPeerInSync)
    {
        foreach (Entry entry in _entries)
        {
            if (!entry.Request.IsAcknowledged || entry.Request.EndedAt > flush.IssuedAt)
                continue;
            entry.IsStableOn[primary] |= entry.IsOn[primary];
            entry.IsStableOn[1 - primary] |= isPeerInSync && entry.IsOn[1 - primary];
        }
    }

    /// <summary>A node lost power.</summary>
    public void NotePowerCut(int node)
    {
        foreach (Entry entry in _entries)
        {
            if (!entry.Request.IsAcknowledged)
                continue;
            entry.IsOn[node] &= entry.IsStableOn[node];
            entry.MayBeLost |= !entry.IsOn[0] && !entry.IsOn[1];
        }
    }

    /// <summary>Whether a node has everything that was acknowledged and is not lost.</summary>
    public bool HasEverything(int node) => _entries.TrueForAll(e => !e.Request.IsAcknowledged || e.MayBeLost || e.IsOn[node]);

    /// <summary>What is wrong with a node's data; null if nothing.</summary>
    public string? Check(SimulatedNode node)
    {
        foreach (long block in _entries.SelectMany(BlocksOf).Distinct())
        {
            List<Entry> touching = [.. _entries.Where(e => BlocksOf(e).Contains(block))];
            ulong found = ClusterHarness.IdIn(node.Disks[0].Cache[block]);
            bool Replaced(long endedAt) => touching.Exists(
                e => e.Request.IsAcknowledged && !e.MayBeLost && e.Request.IssuedAt > endedAt);
            bool allowed = found == 0
                ? !Replaced(-1)
                : touching.Find(e => e.Request.Id == found) is { } entry && !Replaced(entry.Request.EndedAt);
            if (!allowed)
            {
                string writes = string.Join(", ", touching.Select(e =>
                    $"{e.Request.Id}[{e.Request.Node} {e.Request.IssuedAt}..{e.Request.EndedAt} {(e.Request.IsAcknowledged ? "acked" : "open")}{(e.MayBeLost ? " may be lost" : "")}]"));
                return $"{node.Name}: block {block} holds {found}; writes: {writes}";
            }
        }

        return null;
    }

    private static IEnumerable<long> BlocksOf(Entry entry)
    {
        for (long block = entry.Request.Range.FirstBlock; block < entry.Request.Range.FirstBlock + entry.Request.Range.BlockCount; block++)
            yield return block;
    }
}
