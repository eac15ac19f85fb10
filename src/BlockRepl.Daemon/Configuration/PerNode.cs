namespace BlockRepl.Daemon.Configuration;

/// <summary>A value that is the same on every node, or differs by node. Immutable.</summary>
/// <typeparam name="T">Type of the value.</typeparam>
public sealed class PerNode<T>
{
    private readonly T? _common;
    private readonly IReadOnlyDictionary<string, T>? _byNode;

    /// <summary>The same value on every node.</summary>
    public PerNode(T common) => _common = common;

    /// <summary>A value for each node; the reader has checked that every node is named.</summary>
    public PerNode(IReadOnlyDictionary<string, T> byNode) => _byNode = byNode;

    /// <summary>The value on the node called <paramref name="node"/>, which must be one of the cluster's nodes.</summary>
    public T For(string node) => _byNode is null ? _common! : _byNode[node];
}
