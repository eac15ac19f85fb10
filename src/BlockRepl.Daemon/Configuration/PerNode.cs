namespace BlockRepl.Daemon.Configuration;

/// <summary>A value that is the same on every node, or differs by node. Immutable; equal when it says the same for every node that either names.</summary>
/// <typeparam name="T">Type of the value.</typeparam>
public sealed class PerNode<T> : IEquatable<PerNode<T>>
{
    private readonly T? _common;
    private readonly IReadOnlyDictionary<string, T>? _byNode;

    /// <summary>The same value on every node.</summary>
    public PerNode(T common) => _common = common;

    /// <summary>A value for each node; the reader has checked that every node is named.</summary>
    public PerNode(IReadOnlyDictionary<string, T> byNode) => _byNode = byNode;

    /// <summary>The value on the node called <paramref name="node"/>, which must be one of the cluster's nodes.</summary>
    public T For(string node) => _byNode is null ? _common! : _byNode[node];

    /// <inheritdoc/>
    public bool Equals(PerNode<T>? other)
    {
        if (other is null)
            return false;
        EqualityComparer<T> same = EqualityComparer<T>.Default;
        return (_byNode, other._byNode) switch
        {
            (null, null) => same.Equals(_common, other._common),
            (null, { } theirs) => theirs.Values.All(value => same.Equals(_common, value)),
            ({ } ours, null) => ours.Values.All(value => same.Equals(value, other._common)),
            ({ } ours, { } theirs) => ours.Count == theirs.Count && ours.All(node => theirs.TryGetValue(node.Key, out T? value) && same.Equals(node.Value, value)),
        };
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PerNode<T>);

    /// <inheritdoc/>
    /// <remarks>One for all: a value for all nodes equals the same value written for each. Nothing keeps these in a table.</remarks>
    public override int GetHashCode() => 0;
}
