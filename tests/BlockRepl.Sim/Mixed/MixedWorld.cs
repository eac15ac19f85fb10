using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>What the parts of one random history share: the cluster, where chance comes from, what must hold, and what has happened.</summary>
internal sealed class MixedWorld
{
    private readonly List<string> _history = [];

    public MixedWorld(ulong seed, Mix mix)
    {
        Mix = mix;

        // Drawn, not counted: of two numbers that lie near each other the streams are one stream, from two places on.
        Chance = new Prng(new Prng(seed ^ (ulong)mix.Name.Length << 56 ^ (ulong)mix.Name[0] << 48).NextUInt64());
        Cluster = new ClusterHarness(
            s => s with
            {
                Volumes = ["postgres", "spool"],
                Protocol = mix.Protocol,
                Fencing = mix.Fencing,
                EpochWritesMax = 16,
                Handlers = mix.Fencing == FencingPolicy.DontCare ? default : new HandlerSet().With(HandlerKind.FencePeer).With(HandlerKind.UnfencePeer),
            },
            MixedClient.VolumeBytes, mix.LogExtents, seed: Chance.NextUInt64())
        { HoldsBulk = mix.HoldsBulk };
        Checks = new MixedChecks(Cluster, Oracle, mix);
        Wire = new WireTrouble(Cluster, Chance);
    }

    /// <summary>What the history is rich in.</summary>
    public Mix Mix { get; }

    /// <summary>All of it is drawn from here.</summary>
    public Prng Chance { get; }

    public ClusterHarness Cluster { get; }

    public SectorOracle Oracle { get; } = new();

    public MixedChecks Checks { get; }

    public WireTrouble Wire { get; }

    public SimulatedNode[] Nodes => [Cluster.Alpha, Cluster.Beta];

    public static VolumeNr[] Volumes => [new VolumeNr(0), new VolumeNr(1)];

    public SimulatedNode Pick() => Nodes[Chance.Below(2)];

    public void Note(string what) => _history.Add($"{Cluster.Step}: {what}");

    /// <summary>The last steps, for the report of a failure.</summary>
    public string History(int lines) => string.Join('\n', _history.TakeLast(lines));

    /// <summary>Looks at everything; throws what is wrong.</summary>
    public void Observe()
    {
        foreach (SimulatedNode node in Nodes)
        {
            foreach (string line in node.Log)
                Note($"  {node.Name} logs {line}");
            node.Log.Clear();
        }

        Checks.Observe();
    }
}
