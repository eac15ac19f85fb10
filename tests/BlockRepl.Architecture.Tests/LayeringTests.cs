namespace BlockRepl.Architecture.Tests;

/// <summary>References go down the table of docs/ARCHITECTURE.md, "The tree", and nowhere else.</summary>
public sealed class LayeringTests
{
    /// <summary>The exact references of each project; a new one is a decision about the layers and is made here first.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["BlockRepl.Primitives"] = [],
        ["BlockRepl.Format"] = ["BlockRepl.Primitives"],
        ["BlockRepl.Protocol"] = ["BlockRepl.Primitives"],
        ["BlockRepl.Nbd"] = ["BlockRepl.Primitives"],
        ["BlockRepl.Core"] = ["BlockRepl.Format", "BlockRepl.Primitives", "BlockRepl.Protocol"],
        ["BlockRepl.Device"] = ["BlockRepl.Primitives"],
        ["BlockRepl.Rpc"] = ["BlockRepl.Primitives", "BlockRepl.Protocol"],
        ["BlockRepl.Daemon"] =
        [
            "BlockRepl.Core", "BlockRepl.Device", "BlockRepl.Format", "BlockRepl.Nbd", "BlockRepl.Primitives",
            "BlockRepl.Protocol", "BlockRepl.Rpc",
        ],
        ["BlockRepl.Cli"] = ["BlockRepl.Daemon"],
    };

    [Fact]
    public void Every_project_in_src_has_its_place_in_the_table()
    {
        Assert.Equal(Allowed.Keys.Order(StringComparer.Ordinal), ProjectFile.Under("src").Select(p => p.Name));
    }

    [Fact]
    public void Project_references_are_exactly_those_of_the_table()
    {
        var found = ProjectFile.Under("src").Select(p => $"{p.Name} -> {string.Join(", ", p.ProjectReferences)}");
        var wanted = Allowed.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key} -> {string.Join(", ", a.Value)}");
        Assert.Equal(wanted, found);
    }

    [Fact]
    public void References_carry_no_version_and_no_condition()
    {
        var irregular = ProjectFile.Under("src").Concat(ProjectFile.Under("tests"))
            .SelectMany(p => p.IrregularReferences.Select(r => $"{p.Path}: {r}"));
        Assert.Empty(irregular);
    }

    [Fact]
    public void The_solution_holds_every_project()
    {
        var solution = RepoTree.Read("BlockRepl.sln").Replace('\\', '/');
        var missing = ProjectFile.Under("src").Concat(ProjectFile.Under("tests")).Concat(ProjectFile.Under("bench"))
            .Where(p => !solution.Contains($"\"{p.Path}\"", StringComparison.Ordinal)).Select(p => p.Path);
        Assert.Empty(missing);
    }

    [Fact]
    public void Every_project_in_src_has_a_test_project()
    {
        var tests = ProjectFile.Under("tests").Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        Assert.DoesNotContain(Allowed.Keys, name => !tests.Contains(name + ".Tests"));
    }

    [Fact]
    public void Nothing_in_src_refers_to_a_test_project()
    {
        var wrong = ProjectFile.Under("src").Where(p => p.ProjectReferences.Any(r => r.Contains(".Tests", StringComparison.Ordinal)));
        Assert.Empty(wrong.Select(p => p.Path));
    }
}
