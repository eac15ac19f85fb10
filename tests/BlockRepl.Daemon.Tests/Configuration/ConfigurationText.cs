using BlockRepl.Daemon.Configuration;

namespace BlockRepl.Daemon.Tests.Configuration;

/// <summary>Reads configurations from text, as if from /cluster/blockrepl.yaml.</summary>
internal static class ConfigurationText
{
    public const string Minimal = """
        nodes:
          alpha: { address: "127.0.0.1:7001" }
          beta: { address: "127.0.0.1:7002" }
        tls: off
        resources:
          mail:
            volumes:
              spool: { disk: /disks/spool }

        """;

    public static ConfigurationResult Parse(string text) =>
        ConfigurationReader.Parse(new StringReader(text), "blockrepl.yaml", "/cluster");

    public static ClusterConfiguration Accept(string text)
    {
        var (configuration, errors) = Parse(text);
        Assert.Empty(errors);
        return configuration!;
    }
}
