using System.Globalization;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// What the volume must hold: block to version. A write that is acknowledged must be there; one that was never answered may be
/// there or not, each block of it whole or absent (G2, G4). No two writes of a block are in flight at once, so that at most two
/// versions are right at any time. Thread-safe.
/// </summary>
/// <param name="seed">Seed of the content, which a report of a mismatch names.</param>
internal sealed class WriteModel(ulong seed)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, ulong> _held = [];
    private readonly Dictionary<long, ulong> _open = [];
    private ulong _lastVersion;

    /// <summary>Seed of the content.</summary>
    public ulong Seed => seed;

    /// <summary>Blocks whose last write was not answered (yet).</summary>
    public int OpenCount
    {
        get
        {
            lock (_lock)
                return _open.Count;
        }
    }

    /// <summary>
    /// Begins a write of <paramref name="count"/> blocks and chooses its version; false when one of them has a write whose fate is
    /// open.
    /// </summary>
    public bool TryBegin(long first, int count, out ulong version)
    {
        version = 0;
        lock (_lock)
        {
            for (var block = first; block < first + count; block++)
            {
                if (_open.ContainsKey(block))
                    return false;
            }
            version = ++_lastVersion;
            for (var block = first; block < first + count; block++)
                _open.Add(block, version);
            return true;
        }
    }

    /// <summary>The write was answered with success: its version is the only right one from now on.</summary>
    public void Acknowledge(long first, int count, ulong version)
    {
        lock (_lock)
        {
            for (var block = first; block < first + count; block++)
            {
                Check.That(_open.Remove(block, out var open) && open == version, "a write was acknowledged that was not in flight");
                _held[block] = version;
            }
        }
    }

    /// <summary>
    /// Holds what was read against what must be there. A block that is right is settled: what is there is what must be there from now on,
    /// so that an unanswered write cannot come and go. Null when it is right, else a line that names block, versions and seed.
    /// </summary>
    public string? Verify(long block, ReadOnlySpan<byte> data, CheckTally tally)
    {
        lock (_lock)
        {
            var held = _held.GetValueOrDefault(block);
            var isOpen = _open.TryGetValue(block, out var open);
            if (HoldsVersion(data, block, held))
            {
                tally.Add(isAcknowledged: held != 0, isOpen, isOpenThere: false);
                _open.Remove(block);
                return null;
            }
            if (isOpen && HoldsVersion(data, block, open))
            {
                tally.Add(isAcknowledged: held != 0, isOpen, isOpenThere: true);
                _open.Remove(block);
                _held[block] = open;
                return null;
            }
            var wanted = Name(held) + (isOpen ? $" or {Name(open)}, which was not acknowledged" : "");
            return string.Create(CultureInfo.InvariantCulture,
                $"block {block} (offset {block * Block.Size}): expected {wanted}; found {Describe(data, block)} [seed {seed}]");
        }
    }

    private bool HoldsVersion(ReadOnlySpan<byte> data, long block, ulong version)
    {
        if (version == 0)
            return !data.ContainsAnyExcept((byte)0);
        Span<byte> wanted = stackalloc byte[Block.Size];
        BlockPattern.Fill(wanted, seed, block, version);
        return data.SequenceEqual(wanted);
    }

    /// <summary>Tells stretches of equal origin: one is a stale, lost or misplaced block, several are a torn one.</summary>
    private string Describe(ReadOnlySpan<byte> data, long block)
    {
        var stretches = new List<(string Origin, int Sectors)>();
        for (var i = 0; i < BlockPattern.SectorsPerBlock; i++)
        {
            var sector = data.Slice(i * BlockPattern.SectorBytes, BlockPattern.SectorBytes);
            var origin = Origin(sector, i, block);
            if (stretches.Count > 0 && stretches[^1].Origin == origin)
                stretches[^1] = (origin, stretches[^1].Sectors + 1);
            else
                stretches.Add((origin, 1));
        }
        if (stretches.Count == 1)
            return stretches[0].Origin;
        return "a torn block: " + string.Join(", then ",
            stretches.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Sectors * BlockPattern.SectorBytes} bytes of {s.Origin}")));
    }

    private string Origin(ReadOnlySpan<byte> sector, int sectorIndex, long block)
    {
        if (!sector.ContainsAnyExcept((byte)0))
            return Name(0);
        if (!BlockPattern.TryTrace(sector, seed, sectorIndex, out var index, out var version))
            return "bytes that nobody wrote";
        return index == block
            ? Name(version)
            : string.Create(CultureInfo.InvariantCulture, $"version {version} of block {index}");
    }

    private static string Name(ulong version) =>
        version == 0 ? "zeroes (never written)" : string.Create(CultureInfo.InvariantCulture, $"version {version}");
}
