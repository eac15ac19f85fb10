namespace BlockRepl.Daemon.Configuration;

/// <summary>Finds a disk or metadata file that two volumes would share on one node (hard part 15).</summary>
internal sealed class DiskOwners(ErrorSink errors)
{
    private readonly Dictionary<(string Node, string Path), string> _owners = [];
    private readonly HashSet<(SourcePosition At, string Path)> _reported = [];

    /// <summary>Notes that <paramref name="owner"/> (<c>mail/postgres</c>, <c>mail/postgres (meta-disk)</c>) uses a path.</summary>
    public void Claim(string node, string path, string owner, SourcePosition at)
    {
        if (_owners.TryAdd((node, path), owner))
            return;
        // A path that holds for all nodes collides on all of them; say it once.
        if (_reported.Add((at, path)))
            errors.Add(at, $"{path} is already used by {_owners[(node, path)]} on node \"{node}\"; every volume needs a disk of its own");
    }
}
