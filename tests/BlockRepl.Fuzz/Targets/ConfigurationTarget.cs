using System.Text;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Fuzz.Engine;

namespace BlockRepl.Fuzz.Targets;

/// <summary>A configuration file: read, or refused with line and column; never an exception.</summary>
internal sealed class ConfigurationTarget : FuzzTarget
{
    private const string Good = """
        nodes:
          alpha: { address: "127.0.0.1:7001" }
          beta: { address: "[::1]:7002" }
        tls: { ca: /a/ca.pem, cert: { alpha: a.pem, beta: b.pem }, key: k.pem }
        nbd: { listen: { alpha: "127.0.0.1:1", beta: "127.0.0.1:2" } }
        resources:
          mail:
            protocol: C
            compression: auto
            fencing: resource-and-stonith
            handlers: { fence-peer: "x", split-brain: "y" }
            timeout: 6s
            ko-count: 3
            on-congestion: pull-ahead
            congestion-fill: 4MiB
            after-sb-0pri: discard-zero-changes
            al-extents: 1237
            volumes:
              spool: { disk: /disks/spool, size: 64MiB, meta-disk: { alpha: a, beta: b } }
              db: { disk: { alpha: /a, beta: /b } }
        """;

    private static readonly string[] Words =
    [
        "nodes", "tls", "off", "resources", "volumes", "disk", "size", "meta-disk", "internal", "protocol", "A", "C", "handlers", "address", "~", "null", "true", "[]", "{}", "- x", "!!binary AA==",
        "&a", "*a", "<<: *a", "!", "?", "|", ">", "%YAML 1.1", "---", "...", "#", "\"", "'", "\t", "0x10", "1e9", "64MiB", "99999999999999999999GiB", "-1", "5s", "18446744073709551616ms", "\u0000",
        "\u00e9", "\ud83d\ude00", "\"\\u0000\"", "\"\\ud800\"", "{ a: {", "[[[[", "alpha", "beta", "127.0.0.1:0", "host:99999", "[::1]:1", "/dev/null", "..", "$HOME", "auto", "lz4", "resource-only",
    ];

    public override string Name => "configuration";

    public override long AllocatedBytesMax => 64 << 20;

    public override byte[] Make(Prng chance)
    {
        switch (chance.Below(20))
        {
            case 0:
                return Encoding.UTF8.GetBytes(Deep(chance));
            case 1:
                return Encoding.UTF8.GetBytes(Aliases(chance));
            case 2:
                return chance.Spoil(Encoding.UTF8.GetBytes(Good));
            default:
                List<string> lines = [.. Good.Split('\n')];
                for (int left = 1 + chance.Below(4); left > 0; left--)
                    Spoil(chance, lines);
                return Encoding.UTF8.GetBytes(string.Join('\n', lines));
        }
    }

    public override void Run(byte[] input)
    {
        using var text = new StreamReader(new MemoryStream(input), Encoding.UTF8);
        ConfigurationResult result = ConfigurationReader.Parse(text, "f.yaml", "/x");
        Assert.Equal(result.Configuration is null, result.Errors.Count > 0);
        foreach (ConfigurationError error in result.Errors)
            Assert.True(error.Line >= 1 && error.Column >= 1 && error.Message.Length > 0, error.ToString());
        if (result.Configuration is { } configuration)
            CheckCoherent(configuration);
    }

    // What the daemon relies on without looking again.
    private static void CheckCoherent(ClusterConfiguration configuration)
    {
        Assert.InRange(configuration.Nodes.Count, 1, ConfigurationReader.NodesMax);
        foreach (ResourceConfiguration resource in configuration.Resources)
        {
            Assert.NotEmpty(resource.Volumes);
            Assert.InRange(resource.ActivityLogExtents, 1, 65534);
            foreach (VolumeConfiguration volume in resource.Volumes)
            {
                foreach (NodeConfiguration node in configuration.Nodes)
                    Assert.NotEmpty(volume.Disk.For(node.Name));
            }
        }
    }

    private static void Spoil(Prng chance, List<string> lines)
    {
        int at = chance.Below(lines.Count);
        string line = lines[at];
        int place = chance.Below(line.Length + 1);
        switch (chance.Below(9))
        {
            case 0:
                lines.RemoveAt(at);
                if (lines.Count == 0)
                    lines.Add("");
                break;
            case 1:
                lines.Insert(at, lines[chance.Below(lines.Count)]);
                break;
            case 2:
                lines[at] = "  " + line;
                break;
            case 3:
                lines[at] = line.TrimStart();
                break;
            case 4:
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                lines[at] = (colon < 0 ? line : line[..(colon + 1)]) + " " + chance.Pick(Words);
                break;
            case 5:
                lines[at] = line[..place] + chance.Pick(Words) + line[place..];
                break;
            case 6:
                lines[at] = line[..place];
                break;
            case 7:
                lines[at] = string.Concat(line.AsSpan(0, place), chance.Number().ToString(), line.AsSpan(place));
                break;
            default:
                int key = line.IndexOf(':', StringComparison.Ordinal);
                lines[at] = key < 0 ? line : chance.Pick(Words) + line[key..];
                break;
        }
    }

    private static string Deep(Prng chance)
    {
        int depth = 1 << chance.Below(18);
        string open = chance.Pick(["[", "{a: ", "- ", "? ", "&a [", "!t ["]);
        return (chance.OneIn(2) ? "resources: " : "") + string.Concat(Enumerable.Repeat(open, depth));
    }

    // Each anchor names the one before twice: short to write, endless to expand.
    private static string Aliases(Prng chance)
    {
        var text = new StringBuilder("a0: &a0 [x, x]\n");
        int count = 2 + chance.Below(60);
        for (int i = 1; i < count; i++)
            text.Append(null, $"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n");
        return text.Append(null, $"resources: *a{count - 1}\n").ToString();
    }
}
