namespace BlockRepl.Daemon.Control;

/// <summary>The daemon cannot start for a reason in its environment. Caught by the host alone, which prints it.</summary>
/// <param name="exitCode">Exit status of the process.</param>
/// <param name="message">What is wrong, one line.</param>
/// <param name="hint">What would help, one line; null when nothing would.</param>
public sealed class DaemonStartException(int exitCode, string message, string? hint = null) : Exception(message)
{
    /// <summary>Exit status of the process.</summary>
    public int ExitCode { get; } = exitCode;

    /// <summary>What would help.</summary>
    public string? Hint { get; } = hint;
}
