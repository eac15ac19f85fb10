namespace BlockRepl.Daemon.Configuration;

/// <summary>Reads a value that is either one scalar for all nodes or a mapping from node to scalar.</summary>
/// <param name="nodes">Names of the cluster's nodes.</param>
/// <param name="errors">Where errors go.</param>
internal sealed class PerNodeReader(IReadOnlyList<string> nodes, ErrorSink errors)
{
    /// <summary>Names of the cluster's nodes.</summary>
    public IReadOnlyList<string> Nodes => nodes;

    /// <summary>Turns one text into a value; reports an error itself and answers false when it cannot.</summary>
    public delegate bool Convert<T>(string text, SourcePosition at, out T value);

    /// <summary>
    /// Reads <paramref name="key"/> of <paramref name="reader"/>; null when absent or wrong. <paramref name="seen"/> is told of
    /// every value, by node, with its place.
    /// </summary>
    public PerNode<T>? Read<T>(MappingReader reader, string key, Convert<T> convert, Action<string, T, SourcePosition>? seen = null)
    {
        switch (reader.Take(key))
        {
            case null:
                return null;
            case YamlMap map:
                return ReadMap(reader, map, key, convert, seen);
            case var single:
                if (reader.AsText(single, key) is not { } text || !convert(text, single.At, out var value))
                    return null;
                foreach (var node in nodes)
                    seen?.Invoke(node, value, single.At);
                return new PerNode<T>(value);
        }
    }

    private PerNode<T>? ReadMap<T>(
        MappingReader reader, YamlMap map, string key, Convert<T> convert, Action<string, T, SourcePosition>? seen)
    {
        Dictionary<string, T> byNode = [];
        HashSet<string> named = [];
        foreach (var (node, item) in map.Entries)
        {
            if (!nodes.Contains(node.Value))
                errors.Add(node.At, $"{key}: no node is called \"{node.Value}\"{Spelling.Suggest(node.Value, nodes)}");
            else if (!named.Add(node.Value))
                errors.Add(node.At, $"{key}: node \"{node.Value}\" stands twice");
            else if (reader.AsText(item, key) is { } text && convert(text, item.At, out var value))
            {
                byNode[node.Value] = value;
                seen?.Invoke(node.Value, value, item.At);
            }
        }
        foreach (var missing in nodes.Where(n => !named.Contains(n)))
            errors.Add(map.At, $"{key}: nothing is said for node \"{missing}\"; name every node, or give one value for all");
        return byNode.Count == nodes.Count ? new PerNode<T>(byNode) : null;
    }
}
