using System.Xml.Linq;

namespace BlockRepl.Architecture.Tests;

/// <summary>What a .csproj says about itself, read as text; MSBuild conditions are not evaluated (none is allowed on a reference).</summary>
internal sealed class ProjectFile
{
    private readonly XDocument _document;

    private ProjectFile(string path, XDocument document)
    {
        Path = path;
        _document = document;
    }

    /// <summary>Path from the root.</summary>
    public string Path { get; }

    /// <summary>File name without its extension, e.g. <c>BlockRepl.Core</c>.</summary>
    public string Name => System.IO.Path.GetFileNameWithoutExtension(Path);

    /// <summary>Names of the projects referred to, sorted.</summary>
    public IReadOnlyList<string> ProjectReferences =>
        [.. Includes("ProjectReference").Select(i => System.IO.Path.GetFileNameWithoutExtension(i)!).Order(StringComparer.Ordinal)];

    /// <summary>Packages and shared frameworks referred to, sorted.</summary>
    public IReadOnlyList<string> OutsideReferences =>
        [.. Includes("PackageReference").Concat(Includes("FrameworkReference")).Order(StringComparer.Ordinal)];

    /// <summary>Whether this is one of the projects that may not touch I/O, time, threads or chance.</summary>
    public bool IsSansIo => _document.Descendants("SansIo").Any(e => e.Value.Trim() == "true");

    /// <summary>References that carry a version of their own or a condition; both hide what the project needs.</summary>
    public IReadOnlyList<string> IrregularReferences =>
        [.. _document.Descendants()
            .Where(e => e.Name.LocalName is "PackageReference" or "ProjectReference" or "FrameworkReference")
            .Where(e => e.Attribute("Version") is not null || e.Attribute("Condition") is not null
                || e.Parent?.Attribute("Condition") is not null)
            .Select(e => e.ToString())];

    /// <summary>Every project below a folder.</summary>
    public static IReadOnlyList<ProjectFile> Under(string folder) =>
        [.. RepoTree.Files(folder, ".csproj").Select(p => new ProjectFile(p, XDocument.Parse(RepoTree.Read(p))))];

    private IEnumerable<string> Includes(string element) =>
        _document.Descendants(element).Select(e => e.Attribute("Include")?.Value.Replace('\\', '/') ?? "(no Include)");
}
