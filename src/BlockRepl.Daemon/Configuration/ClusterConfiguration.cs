namespace BlockRepl.Daemon.Configuration;

/// <summary>The configuration file, read and checked. Immutable; any thread may read it.</summary>
public sealed record ClusterConfiguration
{
    /// <summary>The file as the operator named it.</summary>
    public required string File { get; init; }

    /// <summary>One or two nodes in the order of the file.</summary>
    public required IReadOnlyList<NodeConfiguration> Nodes { get; init; }

    /// <summary>Certificates for the links between nodes; null is <c>tls: off</c>, clear text.</summary>
    public TlsConfiguration? Tls { get; init; }

    /// <summary>The NBD listener on TCP; null when none is asked for.</summary>
    public NbdConfiguration? Nbd { get; init; }

    /// <summary>Where metrics are served; null where they are not.</summary>
    public MetricsConfiguration? Metrics { get; init; }

    /// <summary>The resources in the order of the file.</summary>
    public required IReadOnlyList<ResourceConfiguration> Resources { get; init; }

    /// <summary>Settings that are legal but unwise, a sentence each; logged at start.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The node called <paramref name="name"/>, or null.</summary>
    public NodeConfiguration? FindNode(string name) => Nodes.FirstOrDefault(n => n.Name == name);

    /// <summary>The resource called <paramref name="name"/>, or null.</summary>
    public ResourceConfiguration? FindResource(string name) => Resources.FirstOrDefault(r => r.Name == name);

    /// <summary>Where a node serves metrics; null where it does not.</summary>
    public NodeAddress? MetricsOf(string node) => Metrics?.Listen.For(node);

    /// <summary>Every node but <paramref name="node"/>: the peers of each of its resources. Empty for a single node.</summary>
    public IEnumerable<NodeConfiguration> PeersOf(string node) => Nodes.Where(n => n.Name != node);
}
