using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;

namespace BlockRepl.Architecture.Tests;

/// <summary>
/// Canaries (docs/canaries.md) are faults on purpose. None is in an assembly that was built without <c>-p:Canaries=true</c>: neither the fault nor anything that could turn it on.
/// </summary>
public sealed partial class CanaryTests
{
    private const string Canaries = "src/BlockRepl.Primitives/Canary.cs";

    private static readonly string Configuration = typeof(CanaryTests).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;

    [Fact]
    public void No_product_assembly_built_normally_has_a_canary()
    {
        var wrong = new List<string>();
        var shipped = Directory.GetFiles(RepoTree.Full($"src/BlockRepl.Cli/bin/{Configuration}/net10.0"), "*.dll")
            .Where(static file => Path.GetFileName(file).StartsWith("BlockRepl", StringComparison.OrdinalIgnoreCase)).ToList();
        Assert.Equal(ProjectFile.Under("src").Count, shipped.Count);
        foreach (var assembly in shipped)
            wrong.AddRange(CanariesIn(assembly));

        Assert.Empty(wrong);
    }

    [Fact]
    public void What_the_test_looks_for_is_found_where_it_is()
    {
        // The simulator of this tree, if it was built with canaries, is the one place that has them.
        var planted = RepoTree.Full("artifacts/canaries/bin/BlockRepl.Core/release/BlockRepl.Core.dll");
        if (File.Exists(planted))
            Assert.NotEmpty(CanariesIn(planted));

        // This assembly names a member as a fault in Core would, and has a switch.
        Assert.NotEmpty(CanariesIn(typeof(CanaryTests).Assembly.Location));
    }

    [Fact]
    public void Each_canary_is_planted_in_one_of_the_three_engine_projects_and_has_its_constant()
    {
        var text = RepoTree.Read(Canaries);
        var switches = Switch().Matches(text).Select(m => m.Groups["name"].Value).Order(StringComparer.Ordinal).ToList();
        var constants = Constant().Matches(text).Select(m => m.Groups["name"].Value).Order(StringComparer.Ordinal).ToList();
        Assert.True(switches.Count >= 30, $"{switches.Count} canaries");
        Assert.Equal(switches, constants);
        var planted = new[] { "src/BlockRepl.Core", "src/BlockRepl.Format", "src/BlockRepl.Protocol" }
            .SelectMany(folder => RepoTree.Files(folder, ".cs")).SelectMany(file => Use().Matches(RepoTree.Read(file)).Select(m => m.Groups["name"].Value))
            .Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(switches, planted);
    }

    [Fact]
    public void Nothing_else_in_the_product_names_one()
    {
        var wrong = RepoTree.Files("src", ".cs", ".csproj").Where(static file => !file.StartsWith("src/BlockRepl.Primitives/Canary", StringComparison.Ordinal)
            && !file.StartsWith("src/BlockRepl.Core/", StringComparison.Ordinal) && !file.StartsWith("src/BlockRepl.Format/", StringComparison.Ordinal)
            && !file.StartsWith("src/BlockRepl.Protocol/", StringComparison.Ordinal)).SelectMany(file => SourceRules.Matches(file, Any()));
        Assert.Empty(wrong);
    }

    [Fact]
    public void The_document_lists_each_canary_with_its_promises_and_sentence()
    {
        var document = RepoTree.Read("docs/canaries.md");
        var missing = Facts().Matches(RepoTree.Read(Canaries))
            .Select(m => $"| `{Words(m.Groups["name"].Value)}` | {m.Groups["promises"].Value} | {m.Groups["sentence"].Value} | {m.Groups["seeds"].Value}{(m.Groups["open"].Success ? " (open)" : "")} |")
            .Where(line => !document.Contains(line, StringComparison.Ordinal));
        Assert.Empty(missing);
        Assert.Equal(Facts().Count(RepoTree.Read(Canaries)), Row().Count(document));
    }

    /// <summary>Everything by which an assembly could hold a fault or a switch for one. Of the constants themselves only Primitives has a list, and there each is false.</summary>
    private static List<string> CanariesIn(string path)
    {
        var found = new List<string>();
        using var file = new PEReader(File.OpenRead(path));
        MetadataReader metadata = file.GetMetadataReader();
        var name = Path.GetFileName(path);
        found.AddRange(metadata.TypeReferences.Select(metadata.GetTypeReference).Select(type => metadata.GetString(type.Name)).Where(IsCanary).Select(type => $"{name} refers to {type}"));
        foreach (TypeDefinition type in metadata.TypeDefinitions.Select(metadata.GetTypeDefinition).Where(type => IsCanary(metadata.GetString(type.Name))))
        {
            found.AddRange(type.GetMethods().Select(metadata.GetMethodDefinition).Select(method => $"{name} has {metadata.GetString(type.Name)}.{metadata.GetString(method.Name)}"));
            foreach (FieldDefinition field in type.GetFields().Select(metadata.GetFieldDefinition))
            {
                bool isFalse = (field.Attributes & FieldAttributes.Literal) != 0
                    && metadata.GetBlobBytes(metadata.GetConstant(field.GetDefaultValue()).Value).All(static b => b == 0);
                if (!isFalse)
                    found.Add($"{name} has {metadata.GetString(type.Name)}.{metadata.GetString(field.Name)}, which is not the constant false");
            }
        }

        return found;
    }

    private static bool IsCanary(string type) => type.StartsWith("Canary", StringComparison.Ordinal);

    private static string Words(string member) => string.Concat(member.Select((c, i) => char.IsUpper(c) ? (i == 0 ? "" : "-") + char.ToLowerInvariant(c) : c.ToString()));

    [GeneratedRegex(@"public static bool (?<name>\w+) => IsOn")]
    private static partial Regex Switch();

    [GeneratedRegex(@"public const bool (?<name>\w+) = false;")]
    private static partial Regex Constant();

    [GeneratedRegex(@"\bCanary\.(?<name>[A-Z]\w+)")]
    private static partial Regex Use();

    [GeneratedRegex(@"(?i)canary|canaries")]
    private static partial Regex Any();

    [GeneratedRegex(@"\[CanaryFacts\(""(?<promises>[^""]+)"", ""(?<sentence>[^""]+)"", SeedsMax = (?<seeds>\d+)(?<open>, IsOpen = true)?\)\]\s+public static bool (?<name>\w+)")]
    private static partial Regex Facts();

    [GeneratedRegex(@"^\| `[a-z-]+` \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
