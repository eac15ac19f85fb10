using YamlDotNet.Core;

namespace BlockRepl.Daemon.Configuration;

/// <summary>
/// Reads the cluster's YAML file, strictly: what is not understood is an error with file, line and column, never a guess.
/// Pure but for <see cref="Read"/>, which opens the file. Any thread.
/// </summary>
public static class ConfigurationReader
{
    /// <summary>The most nodes that this release replicates between.</summary>
    public const int NodesMax = 2;

    /// <summary>Reads a file. That it cannot be read is one more error of the result.</summary>
    public static ConfigurationResult Read(string file)
    {
        try
        {
            using var text = new StreamReader(file);
            return Parse(text, file, Path.GetDirectoryName(Path.GetFullPath(file)) ?? "/");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var why = e is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : e.Message;
            return new ConfigurationResult(null, [new ConfigurationError(file, 0, 0, $"cannot read the configuration: {why}")]);
        }
    }

    /// <summary>Reads the configuration from <paramref name="text"/>; relative paths in it start at <paramref name="directory"/>.</summary>
    public static ConfigurationResult Parse(TextReader text, string file, string directory)
    {
        var errors = new ErrorSink(file);
        ClusterConfiguration? configuration = null;
        try
        {
            configuration = ReadRoot(YamlTree.Read(text), file, directory, errors);
        }
        catch (YamlException e)
        {
            errors.Add(new SourcePosition((int)e.Start.Line, (int)e.Start.Column), $"not YAML: {e.Message}");
        }
        return errors.IsEmpty
            ? new ConfigurationResult(configuration, [])
            : new ConfigurationResult(null, errors.InFileOrder());
    }

    private static ClusterConfiguration? ReadRoot(YamlTree? root, string file, string directory, ErrorSink errors)
    {
        if (root is not YamlMap map)
        {
            errors.Add(root?.At ?? new SourcePosition(1, 1), "expected a mapping with \"nodes\", \"tls\" and \"resources\"");
            return null;
        }
        var reader = new MappingReader(map, "the configuration", ConfigurationKeys.Root, errors);
        var nodes = ReadNodes(reader, errors);
        // Per-node maps are judged by the names as written, so that a node with a bad address does not make errors elsewhere.
        IReadOnlyList<string> names = reader.Take("nodes") is YamlMap all
            ? [.. all.Entries.Select(e => e.Key.Value).Distinct()] : [];
        var perNode = new PerNodeReader(names, errors);
        var links = new LinkReader(perNode, directory, errors);
        var tls = links.ReadTls(reader, required: names.Count > 1);
        var nbd = links.ReadNbd(reader);
        var metrics = links.ReadMetrics(reader);
        var resources = ReadResources(reader, new ResourceReader(perNode, new DiskOwners(errors), directory, errors), errors);
        CheckResyncOrder(resources, errors);
        if (!errors.IsEmpty)
            return null;
        var configuration = new ClusterConfiguration { File = file, Nodes = nodes, Tls = tls, Nbd = nbd, Metrics = metrics, Resources = resources };
        return configuration with { Warnings = ConfigurationReview.Warnings(configuration) };
    }

    // A volume that waits for itself would never be resynced.
    private static void CheckResyncOrder(IReadOnlyList<ResourceConfiguration> resources, ErrorSink errors)
    {
        Dictionary<string, VolumeConfiguration> volumes = [];
        foreach (ResourceConfiguration resource in resources)
        {
            foreach (VolumeConfiguration volume in resource.Volumes)
                volumes[$"{resource.Name}/{volume.Name}"] = volume;
        }

        foreach ((string name, VolumeConfiguration volume) in volumes)
        {
            List<string> chain = [name];
            for (string? after = volume.ResyncAfter; after is not null; after = volumes[after].ResyncAfter)
            {
                if (!volumes.ContainsKey(after))
                {
                    if (chain.Count == 1)
                        errors.Add(volume.Source, $"volume \"{name}\": resync-after: there is no volume \"{after}\"; write VOLUME or RESOURCE/VOLUME");
                    break;
                }

                chain.Add(after);
                if (after == name)
                    errors.Add(volume.Source, $"volume \"{name}\": resync-after: it would wait for itself: {string.Join(", then ", chain)}");
                if (chain.IndexOf(after) < chain.Count - 1)
                    break;
            }
        }
    }

    private static List<NodeConfiguration> ReadNodes(MappingReader root, ErrorSink errors)
    {
        List<NodeConfiguration> nodes = [];
        if (root.AsMap(root.Require("nodes"), "nodes") is not { } map)
            return nodes;
        if (map.Entries.Count == 0)
            errors.Add(map.At, "nodes is empty; name at least this node");
        HashSet<string> names = [];
        Dictionary<NodeAddress, string> addresses = [];
        foreach (var (name, value) in map.Entries)
        {
            if (NameRules.Refusal(name.Value) is { } refusal)
                errors.Add(name.At, $"node name \"{name.Value}\" {refusal}");
            if (!names.Add(name.Value))
                errors.Add(name.At, $"node \"{name.Value}\" stands twice");
            else if (names.Count == NodesMax + 1)
                errors.Add(name.At, $"node \"{name.Value}\" is one too many; this release replicates between two nodes");
            if (ReadNode(name, value, errors) is not { } node)
                continue;
            if (!addresses.TryAdd(node.Address, name.Value) && addresses[node.Address] != name.Value)
                errors.Add(value.At, $"address {node.Address} is already that of node \"{addresses[node.Address]}\"");
            nodes.Add(node);
        }
        return nodes;
    }

    private static NodeConfiguration? ReadNode(YamlText name, YamlTree value, ErrorSink errors)
    {
        if (value is not YamlMap map)
        {
            errors.Add(value.At, $"node \"{name.Value}\" is not a mapping; write {{ address: \"HOST:PORT\" }}");
            return null;
        }
        var reader = new MappingReader(map, $"node \"{name.Value}\"", ConfigurationKeys.Node, errors);
        if (reader.Require("address") is not { } address || reader.AsText(address, "address") is not { } text)
            return null;
        if (NodeAddress.TryParse(text) is { } parsed)
            return new NodeConfiguration(name.Value, parsed);
        errors.Add(address.At, $"address: \"{text}\" is not HOST:PORT, like \"10.0.0.1:7789\" or \"[fd00::1]:7789\"");
        return null;
    }

    private static List<ResourceConfiguration> ReadResources(MappingReader root, ResourceReader reader, ErrorSink errors)
    {
        List<ResourceConfiguration> resources = [];
        if (root.AsMap(root.Require("resources"), "resources") is not { } map)
            return resources;
        HashSet<string> names = [];
        foreach (var (name, value) in map.Entries)
        {
            if (!names.Add(name.Value))
                errors.Add(name.At, $"resource \"{name.Value}\" stands twice");
            if (reader.Read(name, value) is { } resource)
                resources.Add(resource);
        }
        return resources;
    }
}
