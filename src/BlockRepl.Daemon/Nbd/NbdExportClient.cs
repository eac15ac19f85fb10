namespace BlockRepl.Daemon.Nbd;

/// <summary>One connection's membership in <see cref="NbdExportClients"/>; protected by the group's lock.</summary>
internal sealed class NbdExportClient(NbdExportClients group, int fd)
{
    public NbdExportClients Group { get; } = group;

    public int Fd { get; } = fd;

    /// <summary>Never submits again.</summary>
    public bool IsDead { get; set; }

    /// <summary>Inside <c>Submit</c> of the export.</summary>
    public bool IsSubmitting { get; set; }
}
