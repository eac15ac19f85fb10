namespace BlockRepl.Daemon.Configuration;

/// <summary>Collects the errors of one file.</summary>
internal sealed class ErrorSink(string file)
{
    private readonly List<ConfigurationError> _errors = [];

    /// <summary>Notes an error.</summary>
    public void Add(SourcePosition at, string message) =>
        _errors.Add(new ConfigurationError(file, at.Line, at.Column, message));

    /// <summary>True when nothing is wrong so far.</summary>
    public bool IsEmpty => _errors.Count == 0;

    /// <summary>The errors in the order of the file.</summary>
    public IReadOnlyList<ConfigurationError> InFileOrder() =>
        [.. _errors.OrderBy(e => e.Line).ThenBy(e => e.Column)];
}
