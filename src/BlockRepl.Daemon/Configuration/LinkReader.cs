namespace BlockRepl.Daemon.Configuration;

/// <summary>Reads <c>tls</c> and <c>nbd</c>: how nodes and clients reach this node.</summary>
internal sealed class LinkReader(PerNodeReader perNode, string directory, ErrorSink errors)
{
    /// <summary>Reads <c>tls</c>; null is <c>off</c>. Clear text is never a default (G14).</summary>
    public TlsConfiguration? ReadTls(MappingReader root, bool required)
    {
        var value = root.Take("tls");
        if (value is null && required)
            root.Require("tls");
        return value is null or YamlText { Value: "off" } ? null : ReadFiles(root, value, caRequired: true);
    }

    /// <summary>Reads <c>nbd</c>; null when absent.</summary>
    public NbdConfiguration? ReadNbd(MappingReader root)
    {
        if (root.AsMap(root.Take("nbd"), "nbd") is not { } map)
            return null;
        var reader = new MappingReader(map, "nbd", ConfigurationKeys.Nbd, errors);
        reader.Require("listen");
        var listen = perNode.Read<NodeAddress>(reader, "listen", Address);
        var tls = reader.Take("tls") is null or YamlText { Value: "off" } ? null : ReadFiles(reader, reader.Take("tls")!, caRequired: false);
        return listen is null ? null : new NbdConfiguration(listen, tls);
    }

    /// <summary>Reads <c>metrics</c>; null when absent or <c>off</c>.</summary>
    public MetricsConfiguration? ReadMetrics(MappingReader root)
    {
        switch (root.Take("metrics"))
        {
            case null or YamlText { Value: "off" }:
                return null;
            case YamlText { Value: "on" }:
                return new MetricsConfiguration(new PerNode<NodeAddress>(MetricsConfiguration.AddressDefault));
            case YamlText text:
                errors.Add(text.At, $"metrics: \"{text.Value}\" is neither on nor off nor {{ listen: \"HOST:PORT\" }}");
                return null;
        }

        if (root.AsMap(root.Take("metrics"), "metrics") is not { } map)
            return null;
        var reader = new MappingReader(map, "metrics", ConfigurationKeys.Metrics, errors);
        reader.Require("listen");
        return perNode.Read<NodeAddress>(reader, "listen", Address) is { } listen ? new MetricsConfiguration(listen) : null;
    }

    private TlsConfiguration? ReadFiles(MappingReader parent, YamlTree value, bool caRequired)
    {
        if (value is YamlText text)
        {
            errors.Add(text.At, $"tls: \"{text.Value}\" is neither \"off\" nor {{ ca: FILE, cert: FILE, key: FILE }}");
            return null;
        }
        if (parent.AsMap(value, "tls") is not { } map)
            return null;
        var reader = new MappingReader(map, "tls", ConfigurationKeys.Tls, errors);
        foreach (var name in ConfigurationKeys.Tls.Where(k => caRequired || k != "ca"))
            reader.Require(name);
        var ca = perNode.Read<string>(reader, "ca", File);
        var cert = perNode.Read<string>(reader, "cert", File);
        var keyFile = perNode.Read<string>(reader, "key", File);
        return cert is null || keyFile is null ? null : new TlsConfiguration(ca, cert, keyFile);
    }

    private bool File(string text, SourcePosition at, out string path)
    {
        path = Path.GetFullPath(text, directory);
        return true;
    }

    private bool Address(string text, SourcePosition at, out NodeAddress address)
    {
        address = NodeAddress.TryParse(text)!;
        if (address is null)
            errors.Add(at, $"listen: \"{text}\" is not HOST:PORT, like \"127.0.0.1:10809\"");
        return address is not null;
    }
}
