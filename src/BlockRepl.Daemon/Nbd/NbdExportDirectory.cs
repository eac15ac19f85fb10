namespace BlockRepl.Daemon.Nbd;

/// <summary>The <see cref="NbdExportClients"/> of every export in use, by name, over all listeners. Thread-safe.</summary>
internal sealed class NbdExportDirectory
{
    private readonly object _gate = new();
    private readonly Dictionary<string, NbdExportClients> _byName = new(StringComparer.Ordinal);

    /// <summary>Adds a connection to the group of an export.</summary>
    public NbdExportClient Join(string exportName, int fd)
    {
        lock (_gate)
        {
            if (!_byName.TryGetValue(exportName, out NbdExportClients? group))
                _byName.Add(exportName, group = new NbdExportClients());
            return group.Join(fd);
        }
    }

    /// <summary>Removes it, and the group with its last member.</summary>
    public void Leave(string exportName, NbdExportClient member)
    {
        lock (_gate)
        {
            member.Group.Leave(member);
            if (member.Group.Count == 0)
                _byName.Remove(exportName);
        }
    }
}
