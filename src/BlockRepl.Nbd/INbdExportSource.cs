using System.Diagnostics.CodeAnalysis;

namespace BlockRepl.Nbd;

/// <summary>Where connections find their exports. Thread-safe: every connection's thread calls it.</summary>
public interface INbdExportSource
{
    /// <summary>
    /// Opens an export for a client, also for a mere INFO. Each success is followed by one <see cref="Closed"/>. Exports of the
    /// same <see cref="NbdExportInfo.Name"/> are one to hard part 8.
    /// </summary>
    /// <param name="name">What the client asked for; never empty (the negotiation resolves the default export).</param>
    /// <param name="client">The asker; keep it to abort it later.</param>
    /// <param name="export">The export on success.</param>
    /// <param name="refusal">Else a sentence for the client: what, why, and what would help.</param>
    bool TryOpen(string name, INbdClient client, [NotNullWhen(true)] out INbdExport? export, out string refusal);

    /// <summary>Names that LIST shows.</summary>
    IReadOnlyList<string> ListExports();

    /// <summary>The client is gone and every request of it has been completed.</summary>
    void Closed(INbdExport export, INbdClient client);
}
