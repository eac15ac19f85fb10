namespace BlockRepl.Sim.Run;

/// <summary>One client's connection to a volume of a node, with what it has in flight.</summary>
internal sealed class SimClient(int node, int volume, int nr)
{
    /// <summary>Index of the node.</summary>
    public int Node { get; } = node;

    /// <summary>The volume.</summary>
    public int Volume { get; } = volume;

    /// <summary>Its number.</summary>
    public int Nr { get; } = nr;

    /// <summary>Requests without an answer.</summary>
    public List<SimRequest> InFlight { get; } = [];

    /// <summary>What the broken connection left unanswered and is to be sent again.</summary>
    public List<SimRequest> ToRepeat { get; } = [];

    /// <summary>A next request is due.</summary>
    public bool IsPosted { get; set; }
}
