using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using BlockRepl.Nbd;

namespace BlockRepl.Conformance.Server;

/// <summary>A fixed set of exports, some of them refused with a reason.</summary>
internal sealed class TestSource : INbdExportSource
{
    public ConcurrentDictionary<string, INbdExport> Exports { get; } = new();

    public ConcurrentDictionary<string, string> Refusals { get; } = new();

    public ConcurrentDictionary<INbdClient, string> Clients { get; } = new();

    public int OpenCount;

    /// <summary>Called when an export is closed, before anything else.</summary>
    public Action? OnClosed { get; set; }

    public bool TryOpen(string name, INbdClient client, [NotNullWhen(true)] out INbdExport? export, out string refusal)
    {
        export = null;
        if (Refusals.TryGetValue(name, out refusal!))
            return false;
        refusal = $"there is no export '{name}'";
        if (!Exports.TryGetValue(name, out export))
            return false;
        Interlocked.Increment(ref OpenCount);
        Clients[client] = name;
        return true;
    }

    public IReadOnlyList<string> ListExports() => [.. Exports.Keys.Order()];

    public void Closed(INbdExport export, INbdClient client)
    {
        OnClosed?.Invoke();
        Interlocked.Decrement(ref OpenCount);
        Clients.TryRemove(client, out _);
    }
}
