using System.Reflection;
using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]

namespace BlockRepl.Architecture.Tests;

/// <summary>The files of this tree as the tests see them: what git would hold, without build output.</summary>
internal static class RepoTree
{
    private static readonly string[] BuildOutput = ["bin", "obj", "artifacts", "TestResults", "build", "__pycache__"];

    /// <summary>Absolute path of the repository, without a slash at its end; the build wrote it into this assembly.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Absolute path of something given by its path from the root.</summary>
    public static string Full(string path) => Path.Combine(Root, path);

    /// <summary>Text of a file given by its path from the root.</summary>
    public static string Read(string path) => File.ReadAllText(Full(path));

    /// <summary>
    /// Files below <paramref name="folder"/> with one of the <paramref name="extensions"/> (".cs"), as paths from the root with forward
    /// slashes, in ordinal order. A folder that does not exist has none.
    /// </summary>
    public static IReadOnlyList<string> Files(string folder, params string[] extensions)
    {
        var found = new List<string>();
        if (Directory.Exists(Full(folder)))
        {
            Collect(new DirectoryInfo(Full(folder)), extensions, found);
        }

        found.Sort(StringComparer.Ordinal);
        return found;
    }

    private static void Collect(DirectoryInfo folder, string[] extensions, List<string> found)
    {
        foreach (var file in folder.EnumerateFiles())
        {
            if (extensions.Contains(file.Extension, StringComparer.Ordinal))
            {
                found.Add(Path.GetRelativePath(Root, file.FullName).Replace('\\', '/'));
            }
        }

        foreach (var child in folder.EnumerateDirectories())
        {
            if (!BuildOutput.Contains(child.Name, StringComparer.Ordinal))
            {
                Collect(child, extensions, found);
            }
        }
    }

    private static string FindRoot()
    {
        var recorded = typeof(RepoTree).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == "RepoRoot").Value!;
        if (File.Exists(Path.Combine(recorded, "BlockRepl.sln")))
        {
            return recorded.TrimEnd('/', '\\');
        }

        // Built elsewhere and moved here: the tree around the assembly is the one to judge.
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "BlockRepl.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException(
            $"No BlockRepl.sln in {recorded} nor above {AppContext.BaseDirectory}.");
    }
}
