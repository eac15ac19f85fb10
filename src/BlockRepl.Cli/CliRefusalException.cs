using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>Ends a verb with an exit status and two lines. Thrown by the leaves, caught once by <see cref="CliApplication"/>.</summary>
/// <param name="result">The exit status, what was refused, what would help.</param>
public class CliRefusalException(ControlResult result) : Exception(result.Message)
{
    /// <summary>The exit status, what was refused, what would help.</summary>
    public ControlResult Result { get; } = result;
}
