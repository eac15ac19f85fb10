using System.Text.RegularExpressions;

namespace BlockRepl.Architecture.Tests;

/// <summary>What the documents point at is there.</summary>
public sealed partial class DocumentTests
{
    [Fact]
    public void Links_between_the_documents_lead_to_files_that_exist()
    {
        var broken = new List<string>();
        foreach (var document in RepoTree.Files("docs", ".md").Concat(["README.md", "CHANGELOG.md"]))
        {
            var folder = Path.GetDirectoryName(RepoTree.Full(document))!;
            foreach (Match link in Link().Matches(RepoTree.Read(document)))
            {
                var target = link.Groups["target"].Value;
                if (!File.Exists(Path.Combine(folder, target)) && !Directory.Exists(Path.Combine(folder, target)))
                {
                    broken.Add($"{document}: {target}");
                }
            }
        }

        Assert.Empty(broken);
    }

    [Fact]
    public void The_table_of_projects_in_the_architecture_names_every_project()
    {
        var text = RepoTree.Read("docs/ARCHITECTURE.md");
        Assert.Empty(ProjectFile.Under("src").Where(p => !text.Contains($"`{p.Name}`", StringComparison.Ordinal)).Select(p => p.Name));
    }

    [Fact]
    public void Package_versions_are_exact()
    {
        var floating = Version().Matches(RepoTree.Read("Directory.Packages.props")).Select(m => m.Groups["version"].Value)
            .Where(v => !Exact().IsMatch(v));
        Assert.Empty(floating);
    }

    [GeneratedRegex(@"\]\((?!https?:|mailto:|#)(?<target>[^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex("<PackageVersion [^>]*Version=\"(?<version>[^\"]*)\"")]
    private static partial Regex Version();

    [GeneratedRegex(@"^\d+\.\d+\.\d+(\.\d+)?$")]
    private static partial Regex Exact();
}
