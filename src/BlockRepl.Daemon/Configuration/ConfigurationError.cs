namespace BlockRepl.Daemon.Configuration;

/// <summary>One thing that is wrong with the configuration, and where.</summary>
/// <param name="File">The file as the operator named it.</param>
/// <param name="Line">Line, from 1; 0 when the file as a whole is meant (it cannot be read).</param>
/// <param name="Column">Column, from 1; 0 when the file as a whole is meant.</param>
/// <param name="Message">A sentence without a full stop.</param>
public sealed record ConfigurationError(string File, int Line, int Column, string Message)
{
    /// <summary>The form that editors and compilers use: <c>file:line:column: message</c>.</summary>
    public override string ToString() =>
        Line == 0 ? $"{File}: {Message}" : string.Create(null, $"{File}:{Line}:{Column}: {Message}");
}
