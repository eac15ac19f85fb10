using System.Text.RegularExpressions;

namespace BlockRepl.Architecture.Tests;

/// <summary>Finds lines in sources.</summary>
internal static class SourceRules
{
    /// <summary>Lines of a file that match, as <c>path:line: text</c>.</summary>
    public static IEnumerable<string> Matches(string path, Regex pattern)
    {
        var number = 0;
        foreach (var line in File.ReadLines(RepoTree.Full(path)))
        {
            number++;
            if (pattern.IsMatch(line))
            {
                yield return $"{path}:{number}: {line.Trim()}";
            }
        }
    }
}
