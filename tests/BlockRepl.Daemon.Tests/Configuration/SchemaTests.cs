using System.Runtime.CompilerServices;
using System.Text.Json;
using BlockRepl.Daemon.Configuration;

namespace BlockRepl.Daemon.Tests.Configuration;

/// <summary>docs/blockrepl.schema.json and the reader know the same keys, words and bounds.</summary>
public sealed class SchemaTests
{
    private static readonly JsonElement Schema = Load();

    private static JsonElement Load([CallerFilePath] string here = "") => JsonDocument.Parse(
        File.ReadAllText(Path.Combine(Path.GetDirectoryName(here)!, "../../../docs/blockrepl.schema.json"))).RootElement;

    private static JsonElement Definition(string name) => Schema.GetProperty("$defs").GetProperty(name);

    public static TheoryData<string, IReadOnlyList<string>> Mappings => new()
    {
        { "node", ConfigurationKeys.Node },
        { "tls", ConfigurationKeys.Tls },
        { "nbd", ConfigurationKeys.Nbd },
        { "metrics", ConfigurationKeys.Metrics },
        { "resource", ConfigurationKeys.Resource },
        { "handlers", ConfigurationKeys.Handlers },
        { "volume", ConfigurationKeys.Volume },
    };

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Each_mapping_has_the_readers_keys_and_no_others(string definition, IReadOnlyList<string> keys)
    {
        var mapping = Definition(definition);
        Assert.Equal(keys, mapping.GetProperty("properties").EnumerateObject().Select(p => p.Name));
        Assert.False(mapping.GetProperty("additionalProperties").GetBoolean());
    }

    [Fact]
    public void The_top_level_has_the_readers_keys_and_no_others()
    {
        Assert.Equal(ConfigurationKeys.Root, Schema.GetProperty("properties").EnumerateObject().Select(p => p.Name));
        Assert.False(Schema.GetProperty("additionalProperties").GetBoolean());
    }

    [Theory]
    [InlineData("protocol")]
    [InlineData("compression")]
    [InlineData("on-io-error")]
    [InlineData("on-no-data-accessible")]
    [InlineData("fencing")]
    [InlineData("after-sb-1pri")]
    [InlineData("after-sb-2pri")]
    [InlineData("always-asbp")]
    [InlineData("rr-conflict")]
    [InlineData("split-brain-save")]
    public void Every_word_of_the_schema_is_read_and_the_default_is_its_default(string key)
    {
        var property = Definition("resource").GetProperty("properties").GetProperty(key);
        foreach (var word in property.GetProperty("enum").EnumerateArray())
            ConfigurationText.Accept(With(key, word.GetString()!));
        AssertDefault(key, property.GetProperty("default").GetString()!);
    }

    [Theory]
    [InlineData("ko-count")]
    [InlineData("max-epoch-size")]
    [InlineData("congestion-extents")]
    [InlineData("al-extents")]
    public void The_bounds_of_a_number_are_the_readers(string key)
    {
        var property = Definition("resource").GetProperty("properties").GetProperty(key);
        var (min, max) = (property.GetProperty("minimum").GetInt32(), property.GetProperty("maximum").GetInt32());
        ConfigurationText.Accept(With(key, $"{min}"));
        ConfigurationText.Accept(With(key, $"{max}"));
        Assert.NotEmpty(ConfigurationText.Parse(With(key, $"{min - 1}")).Errors);
        Assert.NotEmpty(ConfigurationText.Parse(With(key, $"{max + 1}")).Errors);
        AssertDefault(key, property.GetProperty("default").GetRawText());
    }

    [Theory]
    [InlineData("handler-timeout")]
    [InlineData("timeout")]
    [InlineData("ping-int")]
    [InlineData("ping-timeout")]
    [InlineData("connect-int")]
    [InlineData("disk-timeout")]
    public void The_default_of_a_time_is_the_readers(string key) =>
        AssertDefault(key, Definition("resource").GetProperty("properties").GetProperty(key).GetProperty("default").GetString()!);

    private static string With(string key, string value) =>
        ConfigurationText.Minimal.Replace("    volumes:", $"    {key}: {value}\n    volumes:", StringComparison.Ordinal);

    /// <summary>A file that says the default out loud reads the same as one that does not.</summary>
    private static void AssertDefault(string key, string value)
    {
        var plain = ConfigurationText.Accept(ConfigurationText.Minimal).Resources[0];
        var said = ConfigurationText.Accept(With(key, value)).Resources[0];
        // What was written is kept as well, to tell a later file from this one; here only what it means counts.
        Assert.Equal(plain with { Volumes = [], Written = said.Written }, said with { Volumes = [] });
        var other = ConfigurationText.Accept(With("al-extents", "68")).Resources[0];
        Assert.NotEqual(plain with { Volumes = [] }, other with { Volumes = [], Written = plain.Written });
    }
}
