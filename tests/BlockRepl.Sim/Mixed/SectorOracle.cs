using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Mixed;

/// <summary>
/// Knows what each sector of each volume may hold, and which node must have what (G1 to G3): of the changes issued so far, those that no later acknowledged change replaces. A change may be
/// lost only when every node that had it lost power before it was stable there.
/// </summary>
public sealed class SectorOracle
{
    /// <summary>Bytes that a client changes at least.</summary>
    public const int SectorBytes = 512;

    private readonly List<Entry> _entries = [];
    private readonly List<Entry> _open = [];
    private readonly Dictionary<(ushort Volume, long Sector), List<Entry>> _bySector = [];

    private sealed class Entry(ClientRequest request, bool isForced)
    {
        public ClientRequest Request { get; } = request;

        public bool IsForced { get; } = isForced;

        public ulong Value => Request.Kind == ChangeKind.Write ? Request.Id : 0;

        public bool[] IsOn { get; } = new bool[2];

        public bool[] IsStableOn { get; } = new bool[2];

        public bool[] LostWithPower { get; } = new bool[2];

        public bool MayBeLost { get; set; }

        public bool Counts => Request.IsAcknowledged && !MayBeLost;
    }

    /// <summary>A change was issued.</summary>
    public void Issued(ClientRequest request, ChangeFlags flags)
    {
        var entry = new Entry(request, (flags & ChangeFlags.Fua) != 0);
        _entries.Add(entry);
        _open.Add(entry);
        for (long sector = request.Range.Offset / SectorBytes; sector < request.Range.End / SectorBytes; sector++)
        {
            if (!_bySector.TryGetValue((request.Volume.Value, sector), out List<Entry>? touching))
                _bySector.Add((request.Volume.Value, sector), touching = []);
            touching.Add(entry);
        }
    }

    /// <summary>Takes notice of new answers: which nodes have what was acknowledged just now says <paramref name="holders"/>, by volume.</summary>
    public void NoteAnswers(Func<ClientRequest, bool[]> holders)
    {
        for (int i = _open.Count - 1; i >= 0; i--)
        {
            Entry entry = _open[i];
            if (entry.Request.EndedAt == long.MaxValue)
                continue;
            _open.RemoveAt(i);
            if (!entry.Request.IsAcknowledged)
                continue;
            bool[] has = holders(entry.Request);
            for (int node = 0; node < 2; node++)
            {
                entry.IsOn[node] = has[node];
                entry.IsStableOn[node] = has[node] && entry.IsForced;
            }
        }
    }

    /// <summary>The nodes are in sync: each has everything.</summary>
    public void NoteInSync()
    {
        foreach (Entry entry in _entries)
        {
            if (entry.Counts)
                (entry.IsOn[0], entry.IsOn[1], entry.LostWithPower[0], entry.LostWithPower[1]) = (true, true, false, false);
        }
    }

    /// <summary>A flush was acknowledged: what was acknowledged before it was issued is stable where <paramref name="has"/> says that the flush reached.</summary>
    public void NoteFlushed(ClientRequest flush, bool[] has)
    {
        foreach (Entry entry in _entries)
        {
            if (entry.Request.Volume != flush.Volume || !entry.Request.IsAcknowledged || entry.Request.EndedAt > flush.IssuedAt)
                continue;
            for (int node = 0; node < 2; node++)
                entry.IsStableOn[node] |= has[node] && entry.IsOn[node];
        }
    }

    /// <summary>
    /// A node lost power. What was not stable there by what was promised counts for nothing any more, though the node may have it all the same.
    /// </summary>
    public void NotePowerCut(SimulatedNode node)
    {
        foreach (Entry entry in _entries)
        {
            if (!entry.Request.IsAcknowledged || entry.IsStableOn[node.Index])
                continue;
            entry.LostWithPower[node.Index] |= entry.IsOn[node.Index] && !IsHeld(entry, node);
            entry.IsOn[node.Index] = false;
            entry.MayBeLost |= !entry.IsOn[0] && !entry.IsOn[1];
        }
    }

    /// <summary>A Primary ends without having fenced its peer, under a policy that does not make it wait for that: what it alone has may be lost to whoever is promoted next.</summary>
    public void NoteUnfenced(SimulatedNode node, SimulatedNode other)
    {
        foreach (Entry entry in _entries)
            entry.MayBeLost |= entry.IsOn[node.Index] && !Has(other, entry);
    }

    /// <summary>The other node was shot: what this one lost with its own power is lost.</summary>
    public void NoteShot(SimulatedNode survivor)
    {
        foreach (Entry entry in _entries)
            entry.MayBeLost |= entry.LostWithPower[survivor.Index] && !Has(survivor, entry);
    }

    /// <summary>A change that a node lacks although it was acknowledged and is not lost; null if it has everything.</summary>
    public ClientRequest? MissingOn(SimulatedNode node) => _entries.Find(e => e.Counts && !Has(node, e))?.Request;

    /// <summary>Something that this node acknowledged and has alone; null if there is none.</summary>
    public ClientRequest? OnlyOn(SimulatedNode node, SimulatedNode other) =>
        _entries.Find(e => e.Counts && e.Request.Node == node.Name && e.IsOn[node.Index] && !Has(other, e))?.Request;

    /// <summary>Whether a node's disk holds a change, or something newer in its place.</summary>
    public bool IsHeldOn(SimulatedNode node, ClientRequest request) => _entries.Find(e => e.Request == request) is { } entry && IsHeld(entry, node);

    /// <summary>What is wrong with a node's data; null if nothing.</summary>
    public string? Check(SimulatedNode node)
    {
        foreach (((ushort volume, long sector), List<Entry> touching) in _bySector)
        {
            ulong found = IdAt(node, volume, sector);
            if (!IsAllowed(touching, found, long.MaxValue))
                return Describe(node.Name, volume, sector, found, touching);
        }

        return null;
    }

    /// <summary>What is wrong with what a read returned; null if nothing.</summary>
    public string? Check(ClientRead read)
    {
        for (long at = 0; at < read.Range.Length; at += SectorBytes)
        {
            long sector = (read.Range.Offset + at) / SectorBytes;
            ulong found = ClusterHarness.IdIn(read.Data.AsSpan((int)at));
            List<Entry> touching = _bySector.GetValueOrDefault((read.Volume.Value, sector), []);
            if (!IsAllowed(touching, found, read.IssuedAt))
                return Describe("a read", read.Volume.Value, sector, found, touching);
        }

        return null;
    }

    // By what was promised, or because its disk says so: what a resync brought, or chance or a flush of the node's own kept.
    private bool Has(SimulatedNode node, Entry entry) => entry.IsOn[node.Index] || IsHeld(entry, node);

    private bool IsHeld(Entry entry, SimulatedNode node)
    {
        for (long sector = entry.Request.Range.Offset / SectorBytes; sector < entry.Request.Range.End / SectorBytes; sector++)
        {
            ulong found = IdAt(node, entry.Request.Volume.Value, sector);
            bool isHeld = false;
            foreach (Entry other in _bySector[(entry.Request.Volume.Value, sector)])
                isHeld |= other.Value == found && other.Request.IssuedAt >= entry.Request.IssuedAt;
            if (!isHeld)
                return false;
        }

        return true;
    }

    private static ulong IdAt(SimulatedNode node, ushort volume, long sector) =>
        ClusterHarness.IdIn(node.Disks[volume].Cache[sector * SectorBytes >> Block.Shift].AsSpan((int)(sector * SectorBytes & (Block.Size - 1))));

    private static bool IsAllowed(List<Entry> touching, ulong found, long before)
    {
        bool IsReplaced(long endedAt) => touching.Exists(e => e.Counts && e.Request.IssuedAt > endedAt && e.Request.EndedAt < before);
        return (found == 0 && !IsReplaced(-1)) || touching.Exists(e => e.Value == found && !IsReplaced(e.Request.EndedAt));
    }

    private static string Describe(string where, ushort volume, long sector, ulong found, List<Entry> touching)
    {
        string changes = string.Join(", ", touching.TakeLast(6).Select(e =>
            $"{e.Value}[{e.Request.Node} {e.Request.Kind} {e.Request.IssuedAt}..{(e.Request.EndedAt == long.MaxValue ? "" : e.Request.EndedAt)} "
            + $"{(e.Request.IsAcknowledged ? "acked" : "open")}{(e.MayBeLost ? " may be lost" : "")} on {(e.IsOn[0] ? "a" : "")}{(e.IsOn[1] ? "b" : "")} stable {(e.IsStableOn[0] ? "a" : "")}{(e.IsStableOn[1] ? "b" : "")}]"));
        return $"{where}: volume {volume}, sector {sector} (block {sector * SectorBytes >> Block.Shift}) holds {found}; changes: {changes}";
    }
}
