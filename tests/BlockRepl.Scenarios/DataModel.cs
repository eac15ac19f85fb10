using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>
/// What each sector of each volume may hold: of the writes issued so far, those that no later acknowledged one replaces. A script that lets a copy die
/// says with <c>may-lose</c> which writes may be gone; all others that were acknowledged must be there at the end.
/// </summary>
public sealed class DataModel
{
    private const int Sector = 512;
    private readonly List<Entry> _entries = [];

    /// <summary>A write, trim or zeroes was issued under a name; several may share one.</summary>
    public void Issued(string name, ClientRequest request) => _entries.Add(new Entry(name, request));

    /// <summary>Requests with this name, oldest first.</summary>
    public IReadOnlyList<ClientRequest> Named(string name) => [.. _entries.Where(e => e.Name == name).Select(static e => e.Request)];

    /// <summary>The name was given to a request.</summary>
    public bool Knows(string name) => _entries.Exists(e => e.Name == name);

    /// <summary>The write's only copies may be gone, by the script's own doing; <c>*</c> is all so far.</summary>
    public void MayLose(string name)
    {
        foreach (Entry entry in _entries)
            entry.MayBeLost |= name == "*" || entry.Name == name;
    }

    /// <summary>What a range of an image holds, sector by sector, in names: "zero", a write's name, or "garbage".</summary>
    public IReadOnlyList<string> Holds(SparseImage image, int volume, ByteRange range)
    {
        List<string> names = [];
        for (long sector = range.Offset / Sector; sector < (range.End + Sector - 1) / Sector; sector++)
        {
            string name = Find(image, volume, sector) switch
            {
                (0, true, _) => "zero",
                (_, true, { } entry) => entry.Name,
                (var id, _, _) => $"garbage({id:x})",
            };
            if (names.Count == 0 || names[^1] != name)
                names.Add(name);
        }

        return names;
    }

    /// <summary>What is wrong with an image; null if it may be as it is.</summary>
    public string? Check(SparseImage image, int volume)
    {
        foreach (long sector in _entries.Where(e => e.Request.Volume.Value == volume).SelectMany(SectorsOf).Distinct().Order())
        {
            (ulong id, bool isWhole, Entry? found) = Find(image, volume, sector);
            List<Entry> touching = [.. _entries.Where(e => e.Request.Volume.Value == volume && Touches(e, sector))];
            bool Replaced(long endedAt) => touching.Exists(e => e.Request.IsAcknowledged && !e.MayBeLost && e.Request.IssuedAt > endedAt);
            bool allowed = isWhole && (id == 0
                ? !Replaced(-1) || touching.Exists(e => e.Request.Kind != ChangeKind.Write && !Replaced(e.Request.EndedAt))
                : found is not null && touching.Contains(found) && !Replaced(found.Request.EndedAt));
            if (!allowed)
            {
                string writes = string.Join(", ", touching.Select(static e => $"{e.Name}{(e.Request.IsAcknowledged ? " (acknowledged)" : "")}{(e.MayBeLost ? " (may be lost)" : "")}"));
                return $"the sector at {sector * Sector} holds {found?.Name ?? (id == 0 ? "zeroes" : $"garbage {id:x}")}{(isWhole ? "" : " in part")}; written were, in order: {writes}";
            }
        }

        return null;
    }

    private (ulong Id, bool IsWhole, Entry? Entry) Find(SparseImage image, int volume, long sector)
    {
        byte[] content = new byte[Sector];
        image.Read(sector * Sector, content);
        ulong id = ClusterHarness.IdIn(content);
        byte[] wanted = new byte[Sector];
        ClusterHarness.Fill(wanted, id);
        return (id, content.AsSpan().SequenceEqual(wanted), _entries.Find(e => e.Request.Id == id && e.Request.Volume.Value == volume));
    }

    private static bool Touches(Entry entry, long sector) => entry.Request.Range.Overlaps(new ByteRange(sector * Sector, Sector));

    private static IEnumerable<long> SectorsOf(Entry entry)
    {
        ByteRange range = entry.Request.Range;
        for (long sector = range.Offset / Sector; sector * Sector < range.End; sector++)
            yield return sector;
    }

    private sealed class Entry(string name, ClientRequest request)
    {
        public string Name { get; } = name;

        public ClientRequest Request { get; } = request;

        public bool MayBeLost { get; set; }
    }
}
