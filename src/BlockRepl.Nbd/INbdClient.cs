namespace BlockRepl.Nbd;

/// <summary>A client's connection as the owner of an export sees it. Thread-safe.</summary>
public interface INbdClient
{
    /// <summary>Who it is, for logs and refusals: <c>unix pid 812 uid 0</c>, <c>tcp 10.0.0.7:50312</c>.</summary>
    string Description { get; }

    /// <summary>
    /// Ends the connection (a demotion, a shutdown): nothing further is submitted from it. Does not wait; what was submitted is
    /// still completed by the export, and <see cref="INbdExportSource.Closed"/> follows when it is. The first reason is kept.
    /// </summary>
    void Abort(string reason);
}
