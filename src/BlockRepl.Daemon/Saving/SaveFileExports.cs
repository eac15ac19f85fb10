using System.Diagnostics.CodeAnalysis;
using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Saving;

/// <summary>The one export of a process that shows a save file: its own name, and the default one. Thread-safe.</summary>
internal sealed class SaveFileExports(SaveFileExport export) : INbdExportSource
{
    /// <inheritdoc/>
    public bool TryOpen(string name, INbdClient client, [NotNullWhen(true)] out INbdExport? opened, out string refusal)
    {
        bool isIt = name.Length == 0 || name == export.Info.Name;
        opened = isIt ? export : null;
        refusal = isIt ? "" : $"there is only {export.Info.Name} here";
        return isIt;
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ListExports() => [export.Info.Name];

    /// <inheritdoc/>
    public void Closed(INbdExport opened, INbdClient client)
    {
        // Nothing is kept for a client.
    }
}
