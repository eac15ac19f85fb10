namespace BlockRepl.Sim.Run;

/// <summary>One write, trim or zeroing, as the oracle follows it. Times count what clients see: requests and answers.</summary>
internal sealed class WriteRecord
{
    /// <summary>When it was asked for.</summary>
    public long IssuedAt { get; init; }

    /// <summary>When it was over: answered, failed, or its node dead; after that nothing of it may happen any more that was not so then.</summary>
    public long EndedAt { get; set; } = long.MaxValue;

    /// <summary>Index of the node that it was asked of.</summary>
    public int Node { get; init; }

    /// <summary>The client was told of its success.</summary>
    public bool IsAcknowledged { get; set; }

    /// <summary>Acknowledged under protocol A or B with the peer there: a failover may lose it.</summary>
    public bool IsWeak { get; set; }

    /// <summary>Nodes that must have it, a bit each.</summary>
    public int On { get; set; }

    /// <summary>Nodes on whose stable storage it must be, a bit each.</summary>
    public int StableOn { get; set; }

    /// <summary>Nodes that may have it, a bit each.</summary>
    public int MaybeOn { get; set; }

    /// <summary>Acknowledged, but on no node any more that has kept its power: it may be gone (G1 to G3 promise no more).</summary>
    public bool MayBeLost => IsAcknowledged && On == 0;

    /// <summary>Where: volume, first sector, number of sectors.</summary>
    public (int Volume, long FirstSector, int Count) Place { get; init; }

    /// <summary>Its number; zero for trims and zeroing.</summary>
    public ulong Id { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"#{Id}[{IssuedAt}..{(EndedAt == long.MaxValue ? "" : EndedAt)} on {(Node == 0 ? "alpha" : "beta")} {(IsAcknowledged ? "acknowledged" : "open")}, must be on {Nodes(On)}, stable on {Nodes(StableOn)}]";

    private static string Nodes(int bits) => bits switch { 0 => "none", 1 => "alpha", 2 => "beta", _ => "both" };
}
